/** Every node shows this name beside its own (DESIGN §4, Identity). */
export const CLUSTER_SERVER_NAME = "nl-cluster";
