import type { TrainEvent } from '../train/events.ts'
import type { JobLog } from './job-log.ts'

/** Figures of a checkpoint, in OpenAI's names where it has one. */
export type CheckpointMetrics = Readonly<Record<string, number>>

/** Turns what a run tells into a job's events. Remembers what was measured last, for the checkpoints. */
export class JobNews {
  readonly #log: JobLog
  #train: CheckpointMetrics = {}
  #valid: CheckpointMetrics = {}
  readonly #atCheckpoint = new Map<number, CheckpointMetrics>()

  constructor(log: JobLog) {
    this.#log = log
  }

  tell(event: TrainEvent): void {
    switch (event.type) {
      case 'status': this.#log.message('info', sentence(event.text)); break
      case 'warning': this.#log.message('warn', sentence(event.text)); break
      case 'step': this.#step(event); break
      case 'eval': this.#evaluation(event); break
      case 'checkpoint': this.#atCheckpoint.set(event.step, { ...this.#train, ...this.#valid, step: event.step }); break
    }
  }

  /** What was measured when a checkpoint was saved. */
  metricsAt(step: number): CheckpointMetrics {
    return this.#atCheckpoint.get(step) ?? { step }
  }

  #step({ type: _type, steps, eta_seconds: seconds, metrics, loss, step, ...figures }: Extract<TrainEvent, { type: 'step' }>): void {
    this.#train = { train_loss: loss, ...finite(metrics) }
    const text = `Step ${step}/${steps}: training loss=${loss.toFixed(4)}`
    this.#log.metrics(text, { step, total_steps: steps, ...this.#train, ...finite(figures) })
    if (Number.isFinite(seconds)) this.#log.set({ estimated_finish: Math.round(Date.now() + seconds * 1000) })
  }

  #evaluation({ step, metrics }: Extract<TrainEvent, { type: 'eval' }>): void {
    const { loss, general_loss: general, ...own } = finite(metrics)
    const measured: CheckpointMetrics = {
      ...(loss !== undefined && { valid_loss: loss, full_valid_loss: loss }),
      ...(general !== undefined && { general_loss: general }),
      ...Object.fromEntries(Object.entries(own).map(([name, value]) => [`valid_${name}`, value])),
    }
    this.#valid = { ...this.#valid, ...measured }
    const figures = Object.entries(measured).filter(([name]) => name !== 'full_valid_loss').map(([name, value]) => `${name.replaceAll('_', ' ')}=${value.toFixed(4)}`)
    this.#log.metrics(`Step ${step}: ${figures.join(', ')}`, { step, ...measured })
  }
}

/** JSON knows no other numbers. */
function finite(figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => Number.isFinite(value)))
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
