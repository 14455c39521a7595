import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";

/** Makes dist/nl: one binary that needs nothing beside it. Never `strip` it (FACTS, Bun). */

const root = join(import.meta.dir, "..");
const outfile = process.argv[2] ?? join(root, "dist", "nl");

/** Ink asks for its developer tools, which are not part of a release. */
const withoutDevtools: BunPlugin = {
  name: "without-devtools",
  setup(build) {
    build.onResolve({ filter: /^react-devtools-core$/ }, () => ({
      path: "devtools",
      namespace: "absent",
    }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({
      contents: "export default { initialize() {}, connectToDevTools() {} };",
      loader: "js",
    }));
  },
};

mkdirSync(join(outfile, ".."), { recursive: true });
const result = await Bun.build({
  // The worker is an entry point of its own: it is loaded by name, in a thread.
  entrypoints: [join(root, "cmd/nl.ts"), join(root, "engine/storage/log-worker.ts")],
  root,
  target: "bun",
  format: "esm",
  // Not identifiers: Bun 1.4.5 then names its CommonJS helper like the parameter of the arrow that
  // calls it, and `await import("dockerode")` fails with "m is not a function".
  minify: { whitespace: true, syntax: true, identifiers: false },
  bytecode: true,
  splitting: true,
  define: { "process.env.NODE_ENV": '"production"' },
  compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
  plugins: [withoutDevtools],
});
for (const log of result.logs) console.error(log);
if (!result.success) process.exit(1);
console.log(`${outfile} (${(Bun.file(outfile).size / 1024 / 1024).toFixed(0)} MiB)`);
