/** Names the host of this folder among those of other nodes on the machine: containers, cgroups. */
export const hostKeyOf = (folder: string): string =>
  Bun.hash.xxHash64(folder).toString(36).padStart(13, "0");
