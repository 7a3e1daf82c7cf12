/**
 * Training and generation on ONNX Runtime's WebGPU provider against its CPU provider. Without a GPU they run on the
 * software Vulkan driver that comes with Chromium; where there is neither, the tests say what is missing and are skipped.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import type { DeviceRun } from './fixtures/device-run.ts'

const cache = mkdtempSync(join(tmpdir(), 'posttrain-webgpu-'))
after(() => { rmSync(cache, { recursive: true }) })

/** Where distributions and Playwright put Chromium's software Vulkan driver. */
const driverFiles = [
  '/usr/lib*/chromium*/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  join(homedir(), '.cache/ms-playwright/chromium*/chrome-linux*/vk_swiftshader_icd.json'),
]

/** The environment in which a Vulkan driver can be found; one that the user has set is left as it is. */
function graphicsEnvironment(): NodeJS.ProcessEnv {
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES, LD_LIBRARY_PATH } = process.env
  const driver = VK_DRIVER_FILES ?? VK_ICD_FILENAMES ?? globSync(driverFiles)[0]
  if (driver === undefined) return process.env
  const folder = dirname(driver)
  // Chromium brings a Vulkan loader of its own beside the driver, for machines that have none.
  const libraries = existsSync(join(folder, 'libvulkan.so.1')) ? [LD_LIBRARY_PATH, folder].filter(Boolean).join(':') : LD_LIBRARY_PATH
  return { ...process.env, VK_ICD_FILENAMES: driver, ...(libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries }) }
}

async function runOn(device: 'cpu' | 'webgpu', precision: 'f32' | 'int8', steps: number): Promise<DeviceRun | { readonly unavailable: string }> {
  const script = join(import.meta.dirname, 'fixtures/device-run.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, device, precision, String(steps), cache], { env: graphicsEnvironment() })
  return JSON.parse(stdout) as DeviceRun | { unavailable: string }
}

async function runBoth(context: TestContext, precision: 'f32' | 'int8', steps: number): Promise<[cpu: DeviceRun, gpu: DeviceRun] | undefined> {
  const gpu = await runOn('webgpu', precision, steps)
  if ('unavailable' in gpu) {
    context.skip(`${gpu.unavailable} Without a GPU, install Debian's chromium: it brings a software Vulkan driver, vk_swiftshader_icd.json.`)
    return undefined
  }
  const cpu = await runOn('cpu', precision, steps)
  assert.ok(!('unavailable' in cpu))
  return [cpu, gpu]
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  assert.equal(a.length, b.length)
  return Math.max(...a.map((value, i) => Math.abs(value / b[i]! - 1)))
}

test('ten steps of LoRA on WebGPU have the losses and gradients of the CPU, and the answers after them are the same', async (context) => {
  const both = await runBoth(context, 'f32', 10)
  if (both === undefined) return
  const [cpu, gpu] = both
  const [loss, norm] = [largestDifference(gpu.losses, cpu.losses), largestDifference(gpu.norms, cpu.norms)]
  context.diagnostic(`largest relative difference: loss ${loss.toExponential(1)}, gradient norm ${norm.toExponential(1)}`)
  assert.equal(cpu.losses.length, 10)
  assert.ok(loss < 1e-3, `losses differ by ${loss}`)
  assert.ok(norm < 1e-3, `gradient norms differ by ${norm}`)
  assert.deepEqual(gpu.answers, cpu.answers)
})

test('an int8 base on WebGPU: its kernel rounds activations by other blocks, so the loss is near, not equal', async (context) => {
  const both = await runBoth(context, 'int8', 1)
  if (both === undefined) return
  const [cpu, gpu] = both
  const loss = largestDifference(gpu.losses, cpu.losses)
  context.diagnostic(`relative difference of the loss ${loss.toExponential(1)}`)
  assert.ok(loss < 5e-3, `losses differ by ${loss}`)
})
