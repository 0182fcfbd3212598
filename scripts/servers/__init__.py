"""The servers that tests and benchmarks talk to.

Where an address comes from, in this order:

1. the server's environment variable (``TEST_POSTGRES_URL``, …): a container or service that somebody else started;
2. a private server that the run starts itself, from programs installed on this machine, on a port of its own, with all
   its files in a folder of the run (``NAME.sh`` in this folder);
3. a container, where a container engine answers (``SERVERS_FROM=containers`` makes that the second choice);
4. none: the tests that need it are skipped, and the table at the end of the run says so.
   ``REQUIRE_SERVICES=1`` makes that a failure.

A server that merely happens to run on its usual port is never touched.

``catalogue`` lists the servers, ``private`` runs the scripts, ``keeper`` is the process that holds a server for as long
as the run lives, ``run`` finds or starts what a run needs, ``plugin`` gives it to pytest, and ``__main__`` to any other
program. A new server is one script, one entry in the catalogue and one fixture in the plugin.
"""
