/** The level of a cluster that has just been founded. */
export const FEATURE_LEVEL_FIRST = 1;

/** The highest level whose commands this nl understands (reference: versioned commands). */
export const FEATURE_LEVEL = 1;
