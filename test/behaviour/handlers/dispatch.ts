/** Handlers that say which of their methods ran. */
import { BaseHTTPRequestHandler } from "plinth";

class Speaker extends BaseHTTPRequestHandler {
  async say(ran: string): Promise<void> {
    this.sendJson({ ran, method: this.method, content: await this.text() });
  }
}

/** Methods of many spellings. */
export class Methods extends Speaker {
  do_GET(): Promise<void> {
    return this.say("do_GET");
  }

  do_get(): Promise<void> {
    return this.say("do_get");
  }

  do_pOsT(): Promise<void> {
    return this.say("do_pOsT");
  }

  do_RICKROLL(): Promise<void> {
    return this.say("do_RICKROLL");
  }

  "do_M-SEARCH"(): Promise<void> {
    return this.say("do_M-SEARCH");
  }

  "do_!#$%&'*+-.^_`|~0"(): Promise<void> {
    return this.say("do_!#$%&'*+-.^_`|~0");
  }

  do_constructor(): Promise<void> {
    return this.say("do_constructor");
  }

  /** No method has an empty name. */
  do_(): Promise<void> {
    return this.say("do_");
  }
}

/** What extends a class has its methods, and may have others. */
export class Heir extends Methods {
  override do_get(): Promise<void> {
    return this.say("do_get of Heir");
  }

  do_POST(): Promise<void> {
    return this.say("do_POST of Heir");
  }
}

/** Sees to HEAD and OPTIONS itself. */
export class OwnDefaults extends Methods {
  do_HEAD(): void {
    this.sendResponse(200);
    this.sendHeader("X-Ran", "do_HEAD");
    this.sendHeader("Content-Length", 12_345);
    this.endHeaders();
  }

  do_OPTIONS(): Promise<void> {
    return this.say("do_OPTIONS");
  }
}

/** Has nothing that HEAD could stand for. */
export class OnlyPost extends Speaker {
  do_POST(): Promise<void> {
    return this.say("do_POST");
  }
}

/** Has no methods at all. */
export class Nothing extends Speaker {}
