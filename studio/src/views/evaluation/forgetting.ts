export interface GeneralLoss {
  /** Mean cross-entropy per token, nats: under the adapter that was in use, and under the job's. */
  readonly before: number
  readonly after: number
}

/** What a job's `posttrain.promotion` says of the general questions; undefined where the job had no alias to move, or has not ended. */
export function generalLossOf(promotion: unknown): GeneralLoss | undefined {
  const { comparison } = (promotion ?? {}) as { readonly comparison?: { readonly generalLoss?: Partial<GeneralLoss> } | null }
  const { before, after } = comparison?.generalLoss ?? {}
  return typeof before === 'number' && typeof after === 'number' ? { before, after } : undefined
}
