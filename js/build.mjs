// Bundles each panel into one ES module, and the host page's script, for attn_widgets/static.
import * as esbuild from "esbuild";

// `node build.mjs heads grid` builds these alone.
const panels = ["compare", "cross", "explorer", "flow", "grid", "heads", "querykey", "training"];
const named = process.argv.slice(2).filter((name) => !name.startsWith("--"));
const chosen = named.length ? named : panels;

const options = {
  entryPoints: Object.fromEntries(chosen.map((name) => [name, `src/${name}.ts`])),
  outdir: "../attn_widgets/static",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  logLevel: "info",
};
// The host runs as a classic script of a page opened from disk.
const host = { ...options, entryPoints: { host: "src/host.ts" }, format: "iife" };

if (process.argv.includes("--watch")) {
  for (const each of [options, host]) await (await esbuild.context(each)).watch();
} else {
  await Promise.all([esbuild.build(options), esbuild.build(host)]);
}
