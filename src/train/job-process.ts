/**
 * The process of a job: `fork` this module and send it one request. It ends by itself when that is done, when it is told to
 * stop, and when its parent is gone: a run is then at a checkpoint, from which another process can go on.
 */
import { constants, setPriority } from 'node:os'
import { UserError, messageOf } from '../errors.ts'
import type { JobFailure, JobMessage, JobRequest, StopCommand } from './job.ts'
import { JobFileError, checkFiles, compareRun, runJob } from './job-run.ts'
import type { StopRequest } from './stop.ts'

let asked: StopRequest | undefined

/** Every answer that was sent has left the process when this resolves. */
let sent: Promise<void> = Promise.resolve()

function send(message: JobMessage): void {
  const left = new Promise<void>((resolve) => {
    if (process.connected) process.send!(message, undefined, undefined, () => { resolve() })
    else resolve()
  })
  sent = Promise.all([sent, left]).then(() => {})
}

async function answer(request: JobRequest): Promise<void> {
  try {
    switch (request.type) {
      case 'check': send({ type: 'checked', rows: await checkFiles(request) }); break
      case 'run': await runJob(request, send, () => asked); break
      case 'compare': send({ type: 'compared', comparison: await compareRun(request) }); break
    }
  } catch (error) {
    send({ type: 'failed', failure: describe(error) })
  }
  await sent
  process.exit()
}

function describe(error: unknown): JobFailure {
  return {
    message: messageOf(error),
    user: error instanceof UserError,
    param: error instanceof JobFileError ? error.param : undefined,
    stack: error instanceof Error ? error.stack : undefined,
  }
}

// Whoever is answered meanwhile comes first.
setPriority(constants.priority.PRIORITY_LOW)
// Ctrl-C reaches the whole group of a terminal; the server alone decides what becomes of its jobs.
process.on('SIGINT', () => {})
process.on('message', (message: JobRequest | StopCommand) => {
  if (message.type === 'stop') asked = message.request
  else {
    if (message.type === 'run' && message.finish) asked = 'finish'
    process.once('disconnect', () => {
      asked = 'pause'
      // What is neither training nor saved is begun again by whoever goes on.
      if (message.type !== 'run') process.exit()
    })
    void answer(message)
  }
})
