"""Renders templates as Nova does, and makes documents canonical.

Reads a list of jobs as JSON from stdin and writes the list of results:

{"template": TEXT, "variables": {...}}  the document; Nova 2010.1 has no Cheetah
                                        and formats with %
{"document": TEXT}                      its canonical XML (C14N 2.0), or null
                                        when it is not well-formed
{"compile": TEXT}                       whether Cheetah reads it as a template
"""
import json
import sys
from xml.etree import ElementTree

from Cheetah.Parser import ParseError
from Cheetah.Template import Template


def run(job, compiled):
    if "document" in job:
        try:
            return ElementTree.canonicalize(job["document"])
        except ElementTree.ParseError:
            return None
    if "compile" in job:
        try:
            Template.compile(job["compile"])
            return "yes"
        except ParseError:
            return "no"
    text = job["template"]
    if "%(name)s" in text:
        return text % job["variables"]
    if text not in compiled:
        compiled[text] = Template.compile(text)
    return str(compiled[text](searchList=[job["variables"]]))


compiled = {}
json.dump([run(job, compiled) for job in json.load(sys.stdin)], sys.stdout)
