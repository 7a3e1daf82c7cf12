import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Machine } from './facts.ts'

/** This machine, or what of it a container may use. @param memoryMb in place of what there is */
export function thisMachine(memoryMb?: number): Machine {
  const bound = process.constrainedMemory()
  const bytes = bound > 0 ? Math.min(bound, totalmem()) : totalmem()
  return { memoryMb: memoryMb ?? Math.round(bytes / 2 ** 20), cores: availableParallelism(), cpu: cpus()[0]?.model.trim() ?? 'unknown' }
}
