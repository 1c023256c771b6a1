/** The entry file of a handler thread: loads the library part by part, and then the program that finds handlers and runs them. */

// Node 20 opens all files that a module imports at once. In parts, threads that start together need fewer file descriptors.
await import("../../protocol/mod.ts");
await import("../../handler/handler.ts");
await import("../../server/server.ts");
await import("../threading_server.ts");
await import("./handler_thread.ts");
