"""A server of the MCP SDK with everything that the conformance suite of the protocol asks a server for.

It speaks both eras, over whatever MCP_TRANSPORT says. Beside the tools of the suite, whose names begin with ``test_``,
it has ``greet``, ``summarize`` and ``places``, which ask the client in the way of its era, and ``touch``, which says
that a resource changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample, UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp_types import (
    AudioContent,
    Completion,
    CreateMessageResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    ListRootsResult,
    SamplingMessage,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel

# What the new era deprecates, the old one still wants.
warnings.simplefilter("ignore")

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="
PAUSE = 0.05
TITLED = [{"const": f"value{n}", "title": title} for n, title in enumerate(("First Option", "Second Option"), 1)]

server = MCPServer("conformance", instructions="Test with it.", version="1", log_level="ERROR")
subscribed: set[str] = set()


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


@server.tool()
def test_simple_text() -> str:
    """Answer with text."""
    return "This is a simple text response for testing."


@server.tool(structured_output=False)
def test_image_content() -> ImageContent:
    """Answer with an image."""
    return image()


@server.tool(structured_output=False)
def test_audio_content() -> AudioContent:
    """Answer with a sound."""
    return AudioContent(type="audio", data=WAV, mime_type="audio/wav")


@server.tool(structured_output=False)
def test_embedded_resource() -> EmbeddedResource:
    """Answer with a resource."""
    return embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")


@server.tool(structured_output=False)
def test_multiple_content_types() -> list[Any]:
    """Answer with several kinds of content."""
    text = TextContent(type="text", text="Multiple content types test:")
    data = json.dumps({"test": "data", "value": 123})
    return [text, image(), embedded("test://mixed-content-resource", "application/json", data)]


@server.tool()
async def test_tool_with_logging(ctx: Context) -> str:
    """Log, then answer."""
    for step, text in enumerate(("Tool execution started", "Tool processing data", "Tool execution completed")):
        await asyncio.sleep(PAUSE if step else 0)
        await ctx.info(text)
    return "logged"


@server.tool()
async def test_tool_with_progress(ctx: Context) -> str:
    """Report progress, then answer."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100, f"Completed step {progress} of 100")
        await asyncio.sleep(PAUSE)
    return "done"


@server.tool()
def test_error_handling() -> str:
    """Fail."""
    raise RuntimeError("This tool intentionally returns an error for testing")


@server.tool()
async def test_sampling(prompt: str, ctx: Context) -> str:
    """Ask the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    result = await ctx.session.create_message([message], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {result.content.text}"


async def elicit(ctx: Context, message: str, properties: dict[str, Any], required: tuple[str, ...] = ()) -> str:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    result = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={result.action}, content={json.dumps(result.content)}"


@server.tool()
async def test_elicitation(message: str, ctx: Context) -> str:
    """Ask the user."""
    texts = {"username": "User's response", "email": "User's email address"}
    properties = {name: {"type": "string", "description": text} for name, text in texts.items()}
    return "User response: " + await elicit(ctx, message, properties, ("username", "email"))


@server.tool()
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Ask the user, with defaults."""
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return "Elicitation completed: " + await elicit(ctx, "Check the values", properties)


@server.tool()
async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Ask the user to choose."""
    plain = ["option1", "option2", "option3"]
    names = ["Option One", "Option Two", "Option Three"]
    properties = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    }
    return "Elicitation completed: " + await elicit(ctx, "Choose", properties)


@server.tool()
async def test_reconnection(ctx: Context) -> str:
    """Let go of the stream before the answer."""
    await ctx.close_sse_stream()
    await asyncio.sleep(PAUSE)
    return "reconnected"


def json_schema_2020_12_tool(name: str = "", address: dict[str, str] | None = None) -> str:
    """Have a schema with everything."""
    return f"{name} {address}"


class Name(BaseModel):
    """What a user is asked for."""

    name: str


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def ask_model(text: str) -> Sample:
    content = TextContent(type="text", text=f"Summarize: {text}")
    return Sample([SamplingMessage(role="user", content=content)], max_tokens=100)


def ask_places() -> ListRoots:
    return ListRoots()


@server.tool()
def greet(name: Annotated[Name, Resolve(ask_name)]) -> str:
    """Ask the user for a name, in the way of the era."""
    return f"Hello {name.name}"


@server.tool()
def summarize(text: str, answer: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Ask the client's model, in the way of the era."""
    return f"In short: {answer.content.text}"


@server.tool()
def places(roots: Annotated[ListRootsResult, Resolve(ask_places)]) -> str:
    """Ask for the client's roots, in the way of the era."""
    return ", ".join(str(root.uri) for root in roots.roots)


@server.tool()
async def touch(uri: str, ctx: Context) -> str:
    """Say that a resource has changed, in the way of both eras."""
    await ctx.notify_resource_updated(uri)
    if uri in subscribed:
        await ctx.session.send_resource_updated(uri)
    return "touched"


@server.resource("test://static-text", name="text", description="Text", mime_type="text/plain")
def static_text() -> str:
    return "This is the content of the static text resource."


@server.resource("test://static-binary", name="binary", description="An image", mime_type="image/png")
def static_binary() -> bytes:
    import base64

    return base64.b64decode(PNG)


@server.resource("test://watched-resource", name="watched", description="It changes", mime_type="text/plain")
def watched() -> str:
    return "now"


@server.resource("test://template/{id}/data", name="data", description="By id", mime_type="application/json")
def template(id: str) -> str:  # noqa: A002  # the suite calls it so
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803  # the suite calls it so
    """A prompt with a resource."""
    resource = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]


@server.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """A prompt with an image."""
    return [UserMessage(image()), UserMessage("Please analyze the image above.")]


@server.completion()
async def complete(ref: Any, argument: Any, context: Any) -> Completion:
    return Completion(values=[value for value in ("paris", "park", "party") if value.startswith(argument.value)])


async def subscribe(_: Any, params: SubscribeRequestParams) -> EmptyResult:
    subscribed.add(str(params.uri))
    return EmptyResult()


async def unsubscribe(_: Any, params: UnsubscribeRequestParams) -> EmptyResult:
    subscribed.discard(str(params.uri))
    return EmptyResult()


async def set_level(_: Any, params: Any) -> EmptyResult:
    return EmptyResult()


def complete_server() -> None:
    """Add what the decorators of the SDK have no word for."""
    tool = Tool.from_function(json_schema_2020_12_tool)
    address = {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
    tool.parameters = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": address},
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "additionalProperties": False,
    }
    server._tool_manager._tools[tool.name] = tool
    lowlevel = server._lowlevel_server
    from mcp_types import SetLevelRequestParams

    lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)


if __name__ == "__main__":
    complete_server()
    if os.environ.get("MCP_TRANSPORT", "stdio") == "stdio":
        server.run("stdio")
    else:
        import uvicorn

        host, port = os.environ["MCP_HOST"], int(os.environ["MCP_PORT"])
        uvicorn.run(server.streamable_http_app(), host=host, port=port, log_level="error")
