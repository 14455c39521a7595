import packageJson from "../package.json" with { type: "json" };

/** The version of this nl: what nodes register, what `nl version` prints. */
export const VERSION: string = packageJson.version;
