"""The vendor's own client against parserd's simulator.

Calls the six AI parser tools of scraperapi-mcp-server 1.1.1 (create, get, list,
update, parse, delete) through its MCP server object and checks the answers.

    python3 -m venv VENV
    VENV/bin/pip install scraperapi-mcp-server==1.1.1
    parserd simulate --listen 127.0.0.1:PORT --generation-scale 0
    VENV/bin/python tests/vendor_client.py http://127.0.0.1:PORT [KEY [PARSERD]]

With the program's path in PARSERD it also changes a parser beside parserd, which has to
say so and to overwrite nothing.

Exit status 0 and a line `ok` a step if all is as it should be.
"""

import asyncio
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
from importlib.metadata import version

if len(sys.argv) not in (2, 3, 4):
    sys.exit(f"usage: {sys.argv[0]} BASE_URL [KEY [PARSERD]]")

# The client reads its settings when it is imported. Its own limit of ten calls a
# minute would be in the way of a check that makes more.
os.environ["AIPARSER_URL"] = sys.argv[1]
os.environ["API_KEY"] = sys.argv[2] if len(sys.argv) > 2 else "demo-key"
os.environ["RATE_LIMIT_MAX_CALLS"] = "1000"

from mcp.server.fastmcp.exceptions import ToolError  # noqa: E402
from scraperapi_mcp_server.config import settings  # noqa: E402
from scraperapi_mcp_server.server import mcp  # noqa: E402

NAME = "vendor client"
PAGE = "https://shop.example/item/1"
FIELDS = [
    {"name": "title", "description": "The title", "type": "string"},
    {"name": "products.price", "description": "The price", "type": "number"},
]


async def call(tool, **params):
    """Calls a tool and returns the text that it gives back."""
    arguments = {"params": params} if params else {}
    result = await mcp.call_tool(tool, arguments)
    # Newer versions of the MCP library add the structured result to the content.
    content = result[0] if isinstance(result, tuple) else result
    return "".join(part.text for part in content)


async def fails_with(status, tool, **params):
    """Checks that a tool fails with this HTTP status; the client says it in words."""
    try:
        answer = await call(tool, **params)
    except ToolError as error:
        assert f"HTTP error {status}" in str(error), error
    else:
        raise AssertionError(f"{tool} {params} should have failed: {answer}")


async def finished(parser_id):
    """Polls until a parser is ready, as the client's own description advises."""
    for _ in range(100):
        details = json.loads(await call("ai_parser_get_details", parser_id=parser_id))
        if details["status"] != "GENERATING":
            break
        await asyncio.sleep(0.1)
    assert details["status"] == "FINISHED", details
    return details


async def beside(program, database):
    """Changes a parser of parserd's between two of parserd's own changes."""
    sections = {
        "DATABASE__URL": f"sqlite://{database}",
        "API__BASE_URL": sys.argv[1],
        "API__KEY": sys.argv[2],
        "POLL__INITIAL_INTERVAL": "100ms",
    }
    environment = {f"PARSERD__{key}": value for key, value in sections.items()}

    def parserd(*arguments, status=0, **more):
        # The client waits for nothing while parserd runs.
        ran = subprocess.run(
            [program, *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **more,
        )
        assert ran.returncode == status, (arguments, ran.returncode, ran.stderr)

    def sql(statement):
        connection = sqlite3.connect(database, timeout=10)
        with connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    job = {"name": "beside", "urls": [PAGE], "fields": FIELDS}
    parserd("enqueue", "-", "--format", "jsonl", input=json.dumps(job))
    parserd("run", "--until-done")
    ((parser_id,),) = sql("SELECT parser_id FROM parsers WHERE name = 'beside'")
    theirs = await call(
        "ai_parser_update",
        parser_id=parser_id,
        rename_fields=[{"name": "title", "new_name": "theirs"}],
    )
    assert json.loads(theirs)["version"] == 1, theirs
    change = json.dumps({"rename_fields": [{"name": "title", "new_name": "ours"}]})
    sql(f"INSERT INTO jobs (action, name, change) VALUES ('update', 'beside', '{change}')")
    parserd("run", "--until-done", status=3)
    ((message,),) = sql("SELECT error_message FROM jobs WHERE action = 'update'")
    assert message.startswith("conflict: "), message
    details = json.loads(await call("ai_parser_get_details", parser_id=parser_id))
    names = [field["name"] for field in details["fields"]]
    assert names == ["theirs", "products.price"], names
    await call("ai_parser_delete", parser_id=parser_id)


async def check():
    created = json.loads(
        await call(
            "ai_parser_create",
            name=NAME,
            urls=[PAGE],
            scraper_params={"render": True, "country_code": "us"},
            fields=FIELDS,
        )
    )
    parser_id = created["id"]
    assert created == {"id": parser_id, "version": 0}, created
    print("ok create", parser_id)

    details = await finished(parser_id)
    assert details["name"] == NAME and details["error"] is None, details
    assert [field["name"] for field in details["fields"]] == ["title", "products.price"]
    (example,) = details["example_result"]
    assert example["url"] == PAGE, example
    assert isinstance(example["result"]["products"]["price"], float), example
    print("ok get")

    listed = json.loads(await call("ai_parser_list"))
    (item,) = [item for item in listed if item["id"] == parser_id]
    assert item["name"] == NAME and item["status"] == "FINISHED", item
    assert item["version"] == 0, item
    print("ok list")

    renamed = json.loads(
        await call(
            "ai_parser_update",
            parser_id=parser_id,
            rename_fields=[{"name": "title", "new_name": "headline"}],
        )
    )
    assert renamed == {"id": parser_id, "version": 1}, renamed
    added = json.loads(
        await call(
            "ai_parser_update",
            parser_id=parser_id,
            version=1,
            add_fields=[{"name": "rating", "description": "Stars", "type": "number"}],
        )
    )
    assert added == {"id": parser_id, "version": 2}, added
    details = await finished(parser_id)
    names = [field["name"] for field in details["fields"]]
    assert names == ["headline", "products.price", "rating"], names
    first = json.loads(
        await call("ai_parser_get_details", parser_id=parser_id, version=0)
    )
    assert first["fields"][0]["name"] == "title", first
    print("ok update")

    for number, key in ((None, "headline"), (0, "title")):
        version_given = {} if number is None else {"version": number}
        parsed = json.loads(
            await call(
                "ai_parser_parse_url",
                parser_id=parser_id,
                url="https://shop.example/item/2?a=1&b=2",
                **version_given,
            )
        )
        assert parsed["parser"] == parser_id, parsed
        assert parsed["version"] == (2 if number is None else number), parsed
        assert key in parsed["result"], parsed
    print("ok parse")

    assert await call("ai_parser_delete", parser_id=parser_id) == ""
    await fails_with(404, "ai_parser_get_details", parser_id=parser_id)
    await fails_with(404, "ai_parser_delete", parser_id=parser_id)
    listed = json.loads(await call("ai_parser_list"))
    assert parser_id not in [item["id"] for item in listed], listed
    print("ok delete")

    if len(sys.argv) == 4:
        with tempfile.TemporaryDirectory() as directory:
            await beside(sys.argv[3], os.path.join(directory, "parserd.db"))
        print("ok beside parserd")

    await fails_with(400, "ai_parser_create", name="x", urls=["not a URL"])
    settings.API_KEY = "wrong"
    await fails_with(401, "ai_parser_create", name="x", urls=[PAGE])
    await fails_with(401, "ai_parser_list")
    print("ok refusals")


# Its log repeats every expected refusal with a traceback.
logging.disable(logging.CRITICAL)
installed = version("scraperapi-mcp-server")
assert installed == "1.1.1", f"scraperapi-mcp-server 1.1.1 is wanted, not {installed}"
assert settings.AIPARSER_URL == sys.argv[1], settings.AIPARSER_URL
asyncio.run(check())
