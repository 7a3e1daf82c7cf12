/** What a run tells while it goes. */
export type TrainEvent =
  | { readonly type: 'status'; readonly text: string }
  | {
      readonly type: 'step'
      readonly step: number
      readonly steps: number
      readonly loss: number
      readonly grad_norm: number
      readonly lr: number
      readonly tokens_per_second: number
      readonly memory_mb: number
      readonly eta_seconds: number
      /** The method's own. */
      readonly metrics: Readonly<Record<string, number>>
    }
  /** `metrics`: `loss` or `reward` on the held-out rows and what the method measures beside it, `general_loss` on the general set. */
  | { readonly type: 'eval'; readonly step: number; readonly metrics: Readonly<Record<string, number>> }
  /** `path`: the checkpoint's folder, whole and durable by now. A later one may remove it. */
  | { readonly type: 'checkpoint'; readonly step: number; readonly path: string }
  | { readonly type: 'warning'; readonly text: string }

/** What became of a run. */
export interface TrainResult {
  /** The run's folder. */
  readonly directory: string
  /** Folder of the trained adapter (PEFT), or of the model after full fine-tuning. */
  readonly output: string
  /** False where the run was interrupted: `resume` goes on from its last checkpoint. */
  readonly finished: boolean
  /** Optimizer steps done. */
  readonly steps: number
  /** Base precision that was used. */
  readonly precision: string
  /** Tokens trained on. */
  readonly tokens: number
  /** Training time over all sessions of the run. */
  readonly seconds: number
}
