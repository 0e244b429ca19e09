<?xml version="1.0"?>
<!-- What virt-netboot's default rule does to a domain like Nova's, as a stylesheet. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="xml" omit-xml-declaration="yes"/>
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>
  <xsl:template match="/domain/os[not(kernel)]/boot[1]">
    <boot dev="network"/>
    <xsl:if test="@dev != 'network'"><xsl:copy-of select="."/></xsl:if>
  </xsl:template>
  <xsl:template match="/domain/os[not(kernel)]/boot[position() > 1][@dev = 'network']"/>
  <xsl:template match="/domain/devices/interface/filterref"/>
</xsl:stylesheet>
