"""Asks a server what Python's own tests of http.server ask, by http.client and by sockets, and prints what came as JSON.

    python3 client.py BASE_PORT ECHO_PORT

Classes and methods are named for the cases of Lib/test/test_httpservers.py that they response to. What is right, the test says that
runs this: here a case only tells what it saw. server.ts beside this file has the handlers.
"""

import email.utils
import http.client
import json
import socket
import sys
import traceback

BASE, ECHO = int(sys.argv[1]), int(sys.argv[2])
TIMEOUT = 20


def connect(port=BASE):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.connect()
    return connection


def seen(response):
    """A response as data; its content is read to the end."""
    return {
        "status": response.status,
        "reason": response.reason,
        "headers": {name.lower(): value for name, value in response.getheaders()},
        "body": response.read().decode("latin-1"),
        "close": response.will_close,
    }


def ask(connection, method, target="/", **more):
    connection.request(method, target, **more)
    return seen(connection.getresponse())


def with_version(version, method="GET", target="/"):
    """A request whose line ends with something that may be no version."""
    connection = connect()
    connection._http_vsn_str = version
    connection.putrequest(method, target)
    connection.endheaders()
    return seen(connection.getresponse())


def raw(data, content=b""):
    """Sends bytes, and content once an interim response has come. Gives what came, and whether the connection was closed behind it."""
    with socket.create_connection(("127.0.0.1", ECHO), timeout=TIMEOUT) as client:
        client.sendall(data)
        interim = []
        while True:
            line, fields = read_head(client)
            if not line.startswith("HTTP/1.1 1"):
                break
            interim.append(line)
            client.sendall(content)
        body = read(client, int(fields["content-length"]))
        closed = fields.get("connection") == "close" and client.recv(1) == b""
        return {
            "interim": interim,
            "line": line,
            "status": int(line.split(" ")[1]),
            "headers": fields,
            "body": body.decode("latin-1"),
            "closed": closed,
        }


def read_head(client):
    """Reads to an empty line, byte by byte, so that nothing behind it is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read(client, 1)
    line, *fields = head[:-4].decode("latin-1").split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return line, {name.lower(): value for name, value in pairs}


def read(client, length):
    data = b""
    while len(data) < length:
        more = client.recv(length - len(data))
        if more == b"":
            raise EOFError(f"the connection has ended behind {data!r}")
        data += more
    return data


class BaseHTTPServerTestCase:
    def test_command():
        connection = connect()
        return [ask(connection, "GET"), ask(connection, "BREW")]

    def test_request_line_trimming():
        return with_version("HTTP/1.1\n", "BREW")

    def test_version_bogus():
        return with_version("NONSENSE")

    def test_version_digits():
        return with_version("HTTP/3.2.1")

    def test_version_signs_and_underscores():
        return with_version("HTTP/-1_1.+1_1")

    def test_major_version_number_too_long():
        return with_version("HTTP/12345678901.0")

    def test_minor_version_number_too_long():
        return with_version("HTTP/1.12345678901")

    def test_version_none_get():
        return with_version("")

    def test_version_none():
        return with_version("", "CUSTOM")

    def test_version_invalid():
        return with_version("HTTP/3.7")

    def test_send_blank():
        return with_version("", "", "")

    def test_header_close():
        return ask(connect(), "BREW", headers={"Connection": "close"})

    def test_header_keep_alive():
        connection = connect()
        name = connection.sock.getsockname()
        responses = [ask(connection, "BREW", headers={"Connection": "keep-alive"}) for _ in range(2)]
        return responses, connection.sock.getsockname() == name

    def test_handler():
        return ask(connect(), "TEST")

    def test_return_header_keep_alive():
        connection = connect()
        name = connection.sock.getsockname()
        first = ask(connection, "KEEP")
        same = connection.sock is not None and connection.sock.getsockname() == name
        old = connect()
        old._http_vsn, old._http_vsn_str = 10, "HTTP/1.0"
        return first, same, ask(connection, "TEST"), ask(old, "KEEP", headers={"Connection": "keep-alive"})

    def test_internal_key_error():
        return ask(connect(), "UNKNOWN", "/999"), ask(connect(), "UNKNOWN", "/599")

    def test_return_custom_status():
        return ask(connect(), "CUSTOM", "/999"), ask(connect(), "CUSTOM", "/599")

    def test_return_explain_error():
        connection = connect()
        page = ask(connection, "EXPLAIN", headers={"Accept": "text/html"})
        return ask(connection, "EXPLAIN"), page

    def test_latin1_header():
        return ask(connect(), "LATIN1", headers={"X-Sent": "Füße"})

    def test_error_content_length():
        return ask(connect(), "MISSING")

    def test_send_error():
        connection = connect()
        return {code: ask(connection, "STATUS", f"/{code}") for code in (204, 304, 205, 101, 102)}

    def test_head_via_send_error():
        connection = connect()
        responses = {code: ask(connection, "HEAD", f"/{code}") for code in (200, 204, 304, 205, 101)}
        page = ask(connection, "HEAD", "/200", headers={"Accept": "text/html"})
        return responses, page


class HTTP09ServerTestCase:
    def test_simple_get():
        return raw(b"GET /index.html\r\n")

    def test_invalid_request():
        return raw(b"POST /index.html\r\n")

    def test_single_request():
        return raw(b"GET /foo.html\r\nGET /bar.html\r\n")


class RequestHandlerLoggingTestCase:
    def test_get():
        return ask(connect(ECHO), "GET", "/logged")

    def test_err():
        return ask(connect(), "ERROR", "/logged")


class BaseHTTPRequestHandlerTestCase:
    def test_unprintable_not_logged():
        return ask(connect(), "LOG")

    def test_http_1_1():
        return raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_http_1_0():
        return raw(b"GET / HTTP/1.0\r\n\r\n")

    def test_http_0_9():
        return raw(b"GET / HTTP/0.9\r\n\r\n")

    def test_extra_space():
        return raw(b"GET /two words HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_with_continue_1_0():
        return raw(b"GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi")

    def test_with_continue_1_1():
        return raw(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"hi")

    def test_header_unbuffered_when_continue():
        without = raw(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
        unread = raw(b"GET /unread HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        return without, unread

    def test_with_continue_rejected():
        return raw(b"GET /rejected HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")

    def test_request_length():
        return raw(b"GET /" + b"x" * 65537)

    def test_header_length():
        return raw(b"GET /long-header HTTP/1.1\r\nHost: a\r\nX-Long: a" + b"a" * 65537 + b"\r\n\r\n")

    def test_too_many_headers():
        head = b"GET /many-headers HTTP/1.1\r\nHost: a\r\n"
        return [raw(head + b"X-Long: a\r\n" * count + b"\r\n") for count in (99, 100)]

    def test_html_escape_on_error():
        page = ask(connect(), "ESCAPE", headers={"Accept": "text/html"})
        return raw(b'<script>steal()</script> / HTTP/1.1\r\n\r\n'), page

    def test_close_connection():
        connection = connect()
        name = connection.sock.getsockname()
        responses = []
        for target in ("/keep", "/keep", "/close"):
            responses.append(ask(connection, "CLOSE", target))
            same = connection.sock is not None and connection.sock.getsockname() == name
            responses[-1]["open"] = same
        return responses

    def test_date_time_string():
        times = [0, 951782399, 1700000000, 4102444799]
        return {
            email.utils.formatdate(time, usegmt=True): ask(connect(), "DATE", f"/{time * 1000}")["body"] for time in times
        }


def run(case):
    try:
        return {"saw": case()}
    except Exception:
        return {"error": traceback.format_exc()}


print(
    json.dumps(
        {
            f"{group.__name__}.{name}": run(case)
            for group in (
                BaseHTTPServerTestCase,
                HTTP09ServerTestCase,
                RequestHandlerLoggingTestCase,
                BaseHTTPRequestHandlerTestCase,
            )
            for name, case in vars(group).items()
            if name.startswith("test_")
        }
    )
)
