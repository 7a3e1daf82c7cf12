import * as ort from 'onnxruntime-node'
import { UserError, messageOf } from '../errors.ts'

/** Where graphs run: an execution provider that ONNX Runtime's npm binary bundles. */
export const devices = ['cpu', 'webgpu'] as const
export type Device = (typeof devices)[number]

/** Throws a UserError if this platform's build of ONNX Runtime does not have the device's provider. */
export function assertAvailable(device: Device): void {
  const bundled = ort.listSupportedBackends().filter((backend) => backend.bundled).map(({ name }) => name)
  if (bundled.includes(device)) return
  throw new UserError(
    `device ${device}: onnxruntime-node for ${process.platform} ${process.arch} has no ${device} provider ` +
      `(it has ${bundled.join(', ')}). Use device cpu.`,
    { exitCode: 2 },
  )
}

/** A session's failure as a UserError where the cause is the machine: it has the provider but no GPU for it. */
export function explainDevice(device: Device, error: unknown): unknown {
  const message = messageOf(error)
  if (device !== 'webgpu' || !/WebGPU adapter/.test(message)) return error
  return new UserError(`device webgpu: ONNX Runtime finds no GPU that it can use. ${needs()} Or use device cpu.`, {
    exitCode: 2,
    cause: error,
  })
}

function needs(): string {
  if (process.platform !== 'linux') return 'It needs a graphics driver that is up to date.'
  return (
    'On Linux it needs the Vulkan loader, libvulkan.so.1 (Debian: apt-get install libvulkan1), and a Vulkan driver of ' +
    'the GPU (mesa-vulkan-drivers, or NVIDIA\'s own); VK_ICD_FILENAMES may name the driver\'s .json file.'
  )
}
