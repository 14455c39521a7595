/** The person pressed Ctrl-C and the work was given up: exit 130, after one line of what is left. */
export class Interrupted extends Error {}
