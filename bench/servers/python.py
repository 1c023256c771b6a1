"""The post's program on Python's http.server, threading: python3 python.py [1.0 | 1.1 | tuned]"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import os
import sys
import threading


class RequestHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        content_length = int(self.headers["Content-Length"])
        request_body = json.loads(self.rfile.read(content_length).decode("utf-8"))
        answer = request_body["val_a"] + request_body["val_b"]
        response_body = json.dumps({"sum": answer}).encode("utf-8")
        self.send_response(200)
        self.send_header("Content-type", "application/json")
        self.send_header("Content-Length", str(len(response_body)))
        self.end_headers()
        self.wfile.write(response_body)

    def log_message(self, *args):
        pass  # the others do not log either


how = sys.argv[1]
if how != "1.0":
    RequestHandler.protocol_version = "HTTP/1.1"
if how == "tuned":
    # Head and content in one packet instead of two, of which the second waits for an acknowledgement of the first;
    # and connections that come at once are not turned away.
    RequestHandler.wbufsize = -1
    RequestHandler.disable_nagle_algorithm = True
    ThreadingHTTPServer.request_queue_size = 511


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


httpd = ThreadingHTTPServer(("127.0.0.1", 0), RequestHandler)
threading.Thread(target=end_with_parent, daemon=True).start()
print("listens", httpd.server_address[1], flush=True)
httpd.serve_forever()
