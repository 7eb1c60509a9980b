"""Risk of bias tools: domains, signalling questions, and the algorithms that were published for them. No I/O; records and certainty use it alike."""

from metasyn.bias_tools.assessment import Assessment, risk_of_bias, tool_of, tools
from metasyn.bias_tools.tool import Tool

__all__ = ["Assessment", "Tool", "risk_of_bias", "tool_of", "tools"]
