import { siblingModule } from '../runtime/worker.ts'
import type { JobMessage, JobRequest, StopCommand } from '../train/job.ts'
import type { StopRequest } from '../train/stop.ts'
import { startChild, type Child, type Death } from './child-process.ts'

type LastMessage = Extract<JobMessage, { readonly type: 'done' | 'failed' | 'checked' | 'compared' }>

/** How a job's process ended: with its last answer, or without one. */
export type JobOutcome = LastMessage | Death

/** A process that carries out one request of a job. What it leaves on the disk is whole at any moment. */
export interface JobChild extends Pick<Child<LastMessage>, 'pid' | 'ended' | 'kill'> {
  /** Asks it to end at its next checkpoint; the last request counts. */
  stop(request: StopRequest): void
}

/** Starts the process of a job. @param onMessage hears of what comes before the last answer */
export function startJobProcess(request: JobRequest, onMessage: (message: JobMessage) => void = () => {}): JobChild {
  const isLast = (message: JobMessage): message is LastMessage => message.type !== 'event' && message.type !== 'checkpoint'
  const child = startChild(siblingModule(import.meta, '../train/job-process'), request, isLast, onMessage)
  return { ...child, stop: (stop) => { child.tell({ type: 'stop', request: stop } satisfies StopCommand) } }
}
