/** Asks the addition's handler without a socket. */
import { HTTPServer, type InjectedRequest, type InjectedResponse } from "plinth";
import { AdditionHandler, MAX_BODY_SIZE } from "../../../apps/addition/handler.ts";

const httpd = new HTTPServer(["127.0.0.1", 0], AdditionHandler, { log: "none", maxBodySize: MAX_BODY_SIZE });

export const JSON_TYPE = { "Content-Type": "application/json" };
export const FORM_TYPE = { "Content-Type": "application/x-www-form-urlencoded" };

export interface Reply extends InjectedResponse {
  /** The text of the sum, as it was sent. */
  readonly sum: string | undefined;
  /** Where the problem document says that something is wrong. */
  readonly pointers: string[];
}

/** @param target method and target: "POST /" */
export async function ask(
  target: string,
  headers: NonNullable<InjectedRequest["headers"]> = {},
  body?: InjectedRequest["body"],
): Promise<Reply> {
  const [method, path] = target.split(" ");
  const response = await httpd.inject({ method, path, headers, ...(body === undefined ? {} : { body }) });
  const isProblem = response.headers.get("Content-Type") === "application/problem+json" && response.body.length > 0;
  const problem = (isProblem ? response.json() : {}) as { errors?: { pointer: string }[] };
  return {
    ...response,
    sum: /^\{"sum":(.+)\}\n$/.exec(response.text())?.[1],
    pointers: problem.errors?.map(({ pointer }) => pointer) ?? [],
  };
}
