/** Handlers behind routers. */
import { BaseHTTPRequestHandler, Router } from "plinth";

export class Page extends BaseHTTPRequestHandler {
  show(page: string): void {
    this.sendJson({ page, path: this.path, query: [...this.query], params: Object.fromEntries(this.pathParams) });
  }
}

export class Home extends Page {
  do_GET(): void {
    this.show("home");
  }
}

export class Model extends Page {
  do_GET(): void {
    this.show("model");
  }

  do_TRAIN(): void {
    this.show("training");
  }

  do_PUT(): void {
    this.sendText("does not look at its parameters");
  }
}

export class Latest extends Page {
  do_GET(): void {
    this.show("latest");
  }
}

export class Run extends Page {
  do_POST(): void {
    this.show("run");
  }
}

export class Files extends Page {
  do_GET(): void {
    this.show("files");
  }
}

export class About extends Page {
  do_GET(): void {
    this.show("about");
  }
}

/** Gives the 404s their looks. */
export class Lost extends BaseHTTPRequestHandler {
  do_GET(): void {
    this.sendText(`lost: ${this.path}`, 404);
  }

  override sendError(code: number): void {
    this.sendResponse(code);
    this.endHeaders();
    this.wfile.write("lost for words");
  }
}

const routes = {
  "/files/:path+": Files,
  "/models/:name": Model,
  "/models/latest": Latest,
  "/models/:name/runs/:id(\\d+)": Run,
  "/:lang?/about": About,
  "/": Home,
};

export const pages: Router = new Router(routes);

/** The same with a fallback, and a route that came later. */
export const pagesWithFallback: Router = new Router(routes, { fallback: Lost }).add("/more", Home);
