/** What a thread begins with: loads the library part by part, and then what finds the handlers and runs them. */

// Node 20 opens all files at once that a module needs. Loaded so, fewer file descriptors are enough where several threads start.
await import("../../protocol/mod.ts");
await import("../../handler/handler.ts");
await import("../../server/server.ts");
await import("../threading_server.ts");
await import("./program.ts");
