#!/usr/bin/env python3
"""A program shaped like the command line of a language model, without the model: it repeats what matters most.

assistant.py --model NAME [--system-file FILE] < prompt              answers as a stream of output events
assistant.py --model NAME --output-format json < prompt              answers once, as one JSON object
assistant.py --model NAME --serve                                    answers many prompts, one a line
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

SHORT = 30
"""Words of a good summary."""


def say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part.strip()]


def essence(text: str) -> str:
    """The sentence that shares most words with the others."""
    weights = Counter(re.findall(r"\w{4,}", text.lower()))
    found = sentences(text)
    return max(
        found, key=lambda one: sum(weights[word] for word in re.findall(r"\w{4,}", one.lower())), default=""
    )


def usage(prompt: str, answer: str) -> dict[str, int]:
    return {"input_words": len(prompt.split()), "output_words": len(answer.split())}


def stream(prompt: str, options: argparse.Namespace) -> None:
    say({"type": "progress", "stage": "thinking", "note": options.model})
    answer = essence(prompt)
    ok = answer != ""
    for word in re.findall(r"\S+\s*", answer):
        say({"type": "partial", "chunk": word})
    if options.system_file is not None:
        answer = f"{Path(options.system_file).read_text().strip()} {answer}"
    say({"type": "artifact", "name": "usage", "content": {"kind": "inline", "value": usage(prompt, answer)}})
    say({"type": "final", "content": {"kind": "inline", "value": answer}, "ok": ok})


def once(prompt: str, options: argparse.Namespace) -> None:
    short = len(prompt.split()) <= SHORT
    answer = {"result": {"verdict": "pass" if short else "too long"}, "is_error": False}
    sys.stdout.write(json.dumps({**answer, "model": options.model, "usage": usage(prompt, "")}))


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        value = usage(request["prompt"], essence(request["prompt"]))
        say({"id": request["id"], "type": "final", "content": {"kind": "inline", "value": value}})


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--system-file")
    parser.add_argument("--output-format", choices=["stream", "json"], default="stream")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    sys.stderr.write(f"assistant ({options.model}): no model, no network\n")
    if options.serve:
        serve()
    elif options.output_format == "json":
        once(sys.stdin.read(), options)
    else:
        stream(sys.stdin.read(), options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
