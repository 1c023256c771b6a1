"""The program that docs/PYTHON.md shows on both sides, this one; ported.ts is the other."""

from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit


class Greeter(BaseHTTPRequestHandler):
    server_version = "Greeter/1.0"

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        self.greet(query.get("name", ["world"])[0])

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        name = self.rfile.read(length).decode()
        if name == "":
            self.send_error(422, "No Name", "Say whom to greet.")
        else:
            self.greet(name)

    def greet(self, name):
        content = f"Hello, {name}!\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", len(content))
        self.end_headers()
        self.wfile.write(content)
