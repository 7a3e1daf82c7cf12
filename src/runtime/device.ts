import * as ort from 'onnxruntime-node'
import { UserError } from '../errors.ts'

/** Where graphs run: an execution provider that ONNX Runtime's npm binary bundles. */
export const devices = ['cpu', 'webgpu'] as const
export type Device = (typeof devices)[number]

/** Throws a UserError if this machine's ONNX Runtime does not have the device's provider. */
export async function assertAvailable(device: Device): Promise<void> {
  const bundled = ort.listSupportedBackends().map((backend) => backend.name)
  if (bundled.includes(device)) return
  throw new UserError(
    `device ${device}: this build of onnxruntime-node has no ${device} provider (it has ${bundled.join(', ')}). Use --device cpu.`,
    { exitCode: 2 },
  )
}
