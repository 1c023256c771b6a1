/**
 * The cases of CPython 3.14's Lib/test/test_httpservers.py, by their classes: all that are about the base handler and the servers.
 * Those about SimpleHTTPRequestHandler, CGI and the command line are not here, since the classes are not.
 */
export const PYTHON_CASES: Readonly<Record<string, readonly string[]>> = {
  TestSSLDisabled: ["test_https_server_raises_runtime_error"],
  BaseHTTPServerTestCase: [
    "test_command",
    "test_request_line_trimming",
    "test_version_bogus",
    "test_version_digits",
    "test_version_signs_and_underscores",
    "test_major_version_number_too_long",
    "test_minor_version_number_too_long",
    "test_version_none_get",
    "test_version_none",
    "test_version_invalid",
    "test_send_blank",
    "test_header_close",
    "test_header_keep_alive",
    "test_handler",
    "test_return_header_keep_alive",
    "test_internal_key_error",
    "test_return_custom_status",
    "test_return_explain_error",
    "test_latin1_header",
    "test_error_content_length",
    "test_send_error",
    "test_head_via_send_error",
  ],
  HTTP09ServerTestCase: ["test_simple_get", "test_invalid_request", "test_single_request"],
  BaseHTTPSServerTestCase: ["test_get", "test_valid_certdata", "test_invalid_certdata"],
  RequestHandlerLoggingTestCase: ["test_get", "test_err"],
  BaseHTTPRequestHandlerTestCase: [
    "test_unprintable_not_logged",
    "test_http_1_1",
    "test_http_1_0",
    "test_http_0_9",
    "test_extra_space",
    "test_with_continue_1_0",
    "test_with_continue_1_1",
    "test_header_buffering_of_send_error",
    "test_header_buffering_of_send_response_only",
    "test_header_buffering_of_send_header",
    "test_header_unbuffered_when_continue",
    "test_with_continue_rejected",
    "test_request_length",
    "test_header_length",
    "test_too_many_headers",
    "test_html_escape_on_error",
    "test_close_connection",
    "test_date_time_string",
  ],
  MiscTestCase: ["test_all"],
};

/** "Class.test_name" of each. */
export const ALL_CASES: readonly string[] = Object.entries(PYTHON_CASES).flatMap(([group, names]) =>
  names.map((name) => `${group}.${name}`),
);

/**
 * Prints the cases of the installed Python's own file as JSON, for the classes that are named as arguments, and its version; null for
 * the cases where that Python comes without its tests, as Debian's may.
 */
export const LIST_CASES = `
import ast, json, os, sys, sysconfig
file = os.path.join(sysconfig.get_path("stdlib"), "test", "test_httpservers.py")
cases = None
if os.path.exists(file):
    with open(file, encoding="utf-8") as source:
        classes = [node for node in ast.parse(source.read()).body if isinstance(node, ast.ClassDef) and node.name in sys.argv[1:]]
    cases = [
        f"{node.name}.{item.name}"
        for node in classes
        for item in node.body
        if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")
    ]
print(json.dumps({"version": sys.version_info[:2], "cases": cases}))
`;
