/**
 * Methods of your own: GETONE, GETTWO and GETMANY read a small store, PUT writes to it. Any token will do as a method, as long as
 * the clients know what to expect.
 *
 *   node scripts/run.mjs dist/examples/actions.js          (or with a port: … actions.js 8080)
 *
 *   curl -X GETONE http://127.0.0.1:8000/planet/earth/
 *   curl -X GETTWO http://127.0.0.1:8000/planet/earth/and/mars/
 *   curl -X GETMANY 'http://127.0.0.1:8000/?min=2&limit=3'
 *   curl -X PUT -d 5 http://127.0.0.1:8000/planet/pluto/
 *   curl -i -X OPTIONS http://127.0.0.1:8000/
 */
import process from "node:process";
import { BaseHTTPRequestHandler, HTTPError, HTTPServer } from "plinth";

/** How many moons a planet has. It lives as long as the process. */
const moons = new Map([
  ["mercury", 0],
  ["venus", 0],
  ["earth", 1],
  ["mars", 2],
  ["jupiter", 115],
]);
const MOST_PLANETS = 1000;

class PlanetHandler extends BaseHTTPRequestHandler {
  do_GETONE(): void {
    this.sendJson(this.planet("planet"));
  }

  do_GETTWO(): void {
    this.sendJson([this.planet("planet"), this.planet("and")]);
  }

  do_GETMANY(): void {
    const min = this.number("min", 0);
    const limit = this.number("limit", 10);
    const many = [...moons].filter(([, count]) => count >= min).slice(0, limit);
    this.sendJson(many.map(([planet, moons]) => ({ planet, moons })));
  }

  async do_PUT(): Promise<void> {
    const planet = this.name("planet");
    const count: unknown = await this.json();
    if (!isCount(count)) throw new HTTPError(422, { detail: "The content must be a number of moons." });
    const isNew = !moons.has(planet);
    if (isNew && moons.size >= MOST_PLANETS) throw new HTTPError(507, { detail: "There is no room left." });
    moons.set(planet, count);
    this.sendJson({ planet, moons: count }, isNew ? 201 : 200);
  }

  /** What the path says behind a name: "earth" of /planet/earth/. */
  name(param: string): string {
    const name = this.pathParams.get(param);
    if (name === undefined || name === "")
      throw new HTTPError(422, { detail: `The path must say which: /${param}/earth/` });
    return name;
  }

  planet(param: string): { planet: string; moons: number } {
    const planet = this.name(param);
    const count = moons.get(planet);
    if (count === undefined) throw new HTTPError(404, { detail: `There is no planet ${planet}.` });
    return { planet, moons: count };
  }

  number(param: string, otherwise: number): number {
    const text = this.query.get(param);
    const number = text === null ? otherwise : text === "" ? NaN : Number(text);
    if (!isCount(number)) throw new HTTPError(422, { detail: `${param} must be a whole number, 0 or more.` });
    return number;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const httpd = new HTTPServer(["127.0.0.1", Number(process.argv[2] ?? 8000)], PlanetHandler);
await httpd.serverActivate();
console.log(`The planets are at http://${httpd.serverAddress.join(":")}/`);
await httpd.serveForever();
