/** The one source of chance. `below(n)` is a uniform integer in [0, n), 1 <= n <= 2^32. */
export interface Random {
  below(n: number): number;
}
