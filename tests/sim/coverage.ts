/** What one run has exercised; a batch that exercised too little fails. */
export type Coverage = {
  elections: number;
  crashes: number;
  torn: number;
  damaged: number;
  messages: number;
  events: number;
  acked: number;
  reads: number;
  finished: number;
  cancelled: number;
  lostNodes: number;
  reruns: number;
  drains: number;
};

export const noCoverage = (): Coverage => ({
  elections: 0,
  crashes: 0,
  torn: 0,
  damaged: 0,
  messages: 0,
  events: 0,
  acked: 0,
  reads: 0,
  finished: 0,
  cancelled: 0,
  lostNodes: 0,
  reruns: 0,
  drains: 0,
});
