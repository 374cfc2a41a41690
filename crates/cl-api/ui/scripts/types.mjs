// Writes src/api/schema.d.ts from the description of the API; with --check it only compares.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const DESCRIPTION = new URL("../../../../docs/user/api/openapi.json", import.meta.url);
const TYPES = new URL("../src/api/schema.d.ts", import.meta.url);

const description = JSON.parse(await readFile(DESCRIPTION, "utf8"));
for (const path of Object.values(description.paths)) {
  for (const operation of Object.values(path)) {
    // Names of operations are those of functions, and not each is unique; types are named by paths.
    if (typeof operation === "object" && operation !== null) delete operation.operationId;
  }
}
const head = "// Made by `cargo xtask ui` from docs/user/api/openapi.json; do not edit.\n\n";
const text = head + astToString(await openapiTS(description));

if (process.argv.includes("--check")) {
  const present = await readFile(TYPES, "utf8").catch(() => "");
  if (present !== text) {
    process.stderr.write("src/api/schema.d.ts is not what the API's description says: npm run types\n");
    process.exit(1);
  }
} else {
  await writeFile(TYPES, text);
}
