"""Helm 4 as a program, for the network of the node: ``python helm4.py KUBECONFIG NAMESPACE``, one call as JSON on standard input."""

import json
import sys

import helm_python


def main() -> int:
    """Do ``{"call": NAME, "arguments": […], "options": {…}}`` and print its answer; 1 and Helm's words if it refused."""
    kubeconfig, namespace = sys.argv[1:]
    given = json.load(sys.stdin)
    with helm_python.Config(kubeconfig_path=kubeconfig, namespace=namespace) as config:
        try:
            answer = getattr(config, given["call"])(*given["arguments"], **given["options"])
        except helm_python.HelmError as error:
            print(error, file=sys.stderr)
            return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
