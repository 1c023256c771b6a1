"""The post's program on Python's http.server, with HTTP/1.1, a thread a connection, and the other routes."""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import os
import sys
import threading

DOWNLOAD = 100 * 1024 * 1024
PIECE = b"p" * (64 * 1024)


class RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and content leave together; of two packets the second would wait for an acknowledgement of the first.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        content_length = int(self.headers["Content-Length"])
        if self.path == "/upload":
            return self.respond({"length": self.skip(content_length)})
        request_body = json.loads(self.rfile.read(content_length).decode("utf-8"))
        self.respond({"sum": request_body["val_a"] + request_body["val_b"]})

    def do_GET(self):
        if self.path == "/download":
            return self.download()
        _, _, val_a, _, val_b = self.path.split("/")
        self.respond({"sum": int(val_a) + int(val_b)})

    def respond(self, value):
        response_body = json.dumps(value).encode("utf-8")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(response_body)))
        self.end_headers()
        self.wfile.write(response_body)

    def skip(self, length):
        left = length
        while left > 0:
            left -= len(self.rfile.read1(min(left, 65536)))
        return length

    def download(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(DOWNLOAD))
        self.end_headers()
        for _ in range(DOWNLOAD // len(PIECE)):
            self.wfile.write(PIECE)

    def log_message(self, *args):
        pass  # the others do not log either


class Server(ThreadingHTTPServer):
    request_queue_size = 511  # connections that come at once are not turned away


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


httpd = Server(("127.0.0.1", 0), RequestHandler)
threading.Thread(target=end_with_parent, daemon=True).start()
print("listens", httpd.server_address[1], flush=True)
httpd.serve_forever()
