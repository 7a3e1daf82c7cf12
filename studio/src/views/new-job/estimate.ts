/** What a job will take, in words. */
import type { WireEstimateOfRun } from '../../../../src/server/routes/guide-wire.ts'
import { bytes, duration } from '../../format.ts'

/** So much of the machine's memory may be taken: what is left is for the rest of it. */
const usable = 0.85

const mebibyte = 2 ** 20

/** "about 6 s", "about 1.3 GB of this machine's 16 GB" */
export function timeText({ seconds }: Pick<WireEstimateOfRun, 'seconds'>): string {
  return `about ${duration(seconds < 10 ? Math.max(1, Math.round(seconds)) : seconds).replace('.0 s', ' s')}`
}

export function memoryText({ memory_mb: memory, machine }: Pick<WireEstimateOfRun, 'memory_mb' | 'machine'>): string {
  return `about ${bytes(memory * mebibyte)} of ${bytes(machine.memory_mb * mebibyte)}`
}

/** What to do where the job does not fit; undefined where it does. */
export function memoryWarning({ memory_mb: memory, machine }: Pick<WireEstimateOfRun, 'memory_mb' | 'machine'>): string | undefined {
  if (memory <= usable * machine.memory_mb) return undefined
  return 'This is more than the machine can spare: take 4 bits for the base, a smaller max_length or a smaller tokens_per_micro_batch.'
}

const paces: Readonly<Record<WireEstimateOfRun['basis']['pace'], string>> = {
  runs: 'the pace of jobs that ended here', trial: 'a short trial of this machine', assumed: 'the pace of another machine',
}

/** What the estimate rests on. */
export function basisText({ basis: { pace, rowsSampled, answerTokens } }: Pick<WireEstimateOfRun, 'basis'>): string {
  const answers = answerTokens === undefined ? '' : `, answers of ${answerTokens} tokens`
  return `From ${paces[pace]} and the lengths of ${rowsSampled} rows${answers}.`
}

export const partWords: Readonly<Record<string, string>> = {
  setup: 'Loading', reference: 'Reference', sampling: 'Sampling answers', training: 'Training', evaluation: 'Measuring', saving: 'Saving',
}
