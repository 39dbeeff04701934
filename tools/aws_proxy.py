"""Stands between a program and an AWS: counts the calls by operation, and changes or refuses what it is told to."""

import collections
import http.client
import http.server
import threading
import urllib.parse

HOST = "127.0.0.1"


class Proxy:
    """`url` is where to call it. `answers` maps an operation to a function of its answer's text, which gives another;
    `refusals` maps one that AWS is not to hear of to the text of a refusal, or to a function of what is asked that gives
    that text, or None to let it pass."""

    def __init__(self, target):
        self.counts, self.answers, self.refusals = collections.Counter(), {}, {}
        self.server = http.server.ThreadingHTTPServer((HOST, 0), handler(self, urllib.parse.urlsplit(target).netloc))
        self.server.daemon_threads = True
        self.url = f"http://{HOST}:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def handler(proxy, target):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            called = operation(self.path, self.headers, body)
            proxy.counts[called] += 1
            refusal = proxy.refusals.get(called)
            if refusal := refusal(body.decode()) if callable(refusal) else refusal:
                return self.answer(400, {}, refusal.encode())
            upstream = http.client.HTTPConnection(target)
            upstream.request(self.command, self.path, body, dict(self.headers))
            reply = upstream.getresponse()
            answer = reply.read()
            if change := proxy.answers.get(called):
                answer = change(answer.decode()).encode()
            self.answer(reply.status, dict(reply.getheaders()), answer)
            upstream.close()

        do_GET = do_POST

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def operation(path, headers, body):
    """The name of an operation, in each of the ways in which AWS's protocols carry it."""
    if target := headers.get("X-Amz-Target"):
        return target.split(".")[-1]
    if "/operation/" in path:
        return path.split("/")[-1]
    return urllib.parse.parse_qs(body.decode(errors="replace")).get("Action", [path])[0]
