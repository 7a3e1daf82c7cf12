import { sum } from '../tensor/operators.ts'
import { input } from '../tensor/tensor.ts'
import type { Device } from './device.ts'
import { Program } from './program.ts'

/** Throws a UserError if the device cannot run even the smallest graph on this machine. */
export async function assertRuns(device: Device): Promise<void> {
  if (device === 'cpu') return
  const probe = await Program.compile(new Map([['sum', sum(input('probe', 'float32', [1]))]]), { device })
  await probe.release()
}
