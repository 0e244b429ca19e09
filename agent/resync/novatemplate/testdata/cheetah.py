"""Renders templates as Nova does, and makes documents canonical.

Reads a job as JSON from each line of stdin and writes a line with the list of
its results:

{"template": TEXT, "variables": [{...}]}  the documents; Nova 2010.1 has no
                                          Cheetah and formats with %
{"documents": [TEXT]}                     their canonical XML (C14N 2.0), or null
                                          where one is not well-formed
{"compile": [TEXT]}                       whether Cheetah reads each as a template
"""
import json
import sys
from xml.etree import ElementTree

from Cheetah.Parser import ParseError
from Cheetah.Template import Template


def render(text, cases):
    if "%(name)s" in text:
        return [text % variables for variables in cases]
    template = Template.compile(text)
    return [str(template(searchList=[variables])) for variables in cases]


def canonical(text):
    try:
        return ElementTree.canonicalize(text)
    except ElementTree.ParseError:
        return None


def is_template(text):
    try:
        Template.compile(text)
        return "yes"
    except ParseError:
        return "no"


def run(job):
    if "documents" in job:
        return [canonical(text) for text in job["documents"]]
    if "compile" in job:
        return [is_template(text) for text in job["compile"]]
    return render(job["template"], job["variables"])


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
