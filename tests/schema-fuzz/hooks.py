"""What `cargo xtask schema-fuzz` adds to the fuzzer: limits to what it may do, and one check."""

import os

import schemathesis

# A process that is there to be taken in and stopped; numbers of chance would name others.
PROCESS = int(os.environ["SCHEMA_FUZZ_PROCESS"])
WORK = os.environ["SCHEMA_FUZZ_WORK"]
# Stands in a file beside the root.
CANARY = os.environ["SCHEMA_FUZZ_CANARY"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps what is asked for from touching the machine: texts of chance would be run by a shell."""
    body = case.body
    if not isinstance(body, dict):
        return
    process = body.get("process_import")
    if isinstance(process, dict):
        for name in ("pid", "pgid"):
            if isinstance(process.get(name), (int, float)) and process[name] > 0:
                process[name] = PROCESS
    policy = body.get("policy")
    if isinstance(policy, dict) and isinstance(policy.get("gates"), list):
        policy["gates"] = ["true" if isinstance(gate, str) else gate for gate in policy["gates"]]
    for name in ("cwd", "project_root"):
        path = body.get(name)
        if isinstance(path, str) and os.path.isdir(os.path.expanduser(path.strip() or ".")):
            body[name] = WORK


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Lets wrong credentials that come too often be refused by 429 instead of 401."""
    # The answer is that to a question of the check's own.
    return not (failure.code == "ST401" and "got `429 " in failure.message)


@schemathesis.check
def nothing_from_outside(ctx, response, case):
    """No answer holds what stands beside the root."""
    assert CANARY.encode() not in response.content, "the answer holds a file from beside the root"
