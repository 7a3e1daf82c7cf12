/** A plan in uPlot's terms: options, and colours from the tokens. */
import type uPlot from 'uplot'
import { figure } from '../format.ts'
import type { Line, Plan, Range } from './chart.ts'

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export interface PlotOptions {
  readonly width: number
  readonly height: number
  readonly log: boolean
  /** Charts of one name show their cursors at the same x. */
  readonly sync: string | undefined
  range(): Range | undefined
  /** undefined: all of it. */
  onrange(range: Range | undefined): void
  /** The x under the cursor; undefined: it is elsewhere. */
  oncursor(x: number | undefined): void
}

/** The colour that a token comes to here and now, `rgb(…)`: a canvas knows no tokens. */
export type Paint = (token: string) => string

export function painter(element: HTMLElement): Paint {
  return (token) => {
    element.style.color = `var(${token})`
    const { color } = getComputedStyle(element)
    element.style.removeProperty('color')
    return color
  }
}

export function plotOptions(lines: readonly Line[], paint: Paint, options: PlotOptions): uPlot.Options {
  const { width, height, log, sync, range, onrange, oncursor } = options
  const axis: uPlot.Axis = {
    stroke: paint('--muted'), font: '12px system-ui, sans-serif', grid: { stroke: paint('--line'), width: 1 }, ticks: { show: false },
  }
  return {
    width, height,
    legend: { show: false },
    padding: [8, 18, 0, 0],
    scales: {
      x: { time: false, range: (_, min, max) => { const seen = range(); return seen === undefined ? wide(min, max) : [seen.from, seen.to] } },
      y: { distr: log ? 3 : 1 },
    },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => (Number.isInteger(at) ? compact.format(at) : '')), space: 60, size: 28 },
      { ...axis, values: (_, splits) => splits.map((at) => (at === null ? '' : figure(at))), size: 56 },
    ],
    series: [{}, ...lines.map((line) => seriesOf(line, paint))],
    bands: lines.flatMap((line, i) => (line.role === 'high' ? [{ series: [i + 1, i + 2] as [number, number], fill: faint(paint(`--series-${line.colour}`), 0.22) }] : [])),
    cursor: {
      y: false,
      points: { size: (_, i) => (lines[i - 1]?.role === 'main' ? 7 : 0), width: 0, fill: (_, i) => paint(`--series-${lines[i - 1]?.colour ?? 1}`) },
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => () => { onrange(undefined); return null } },
      ...(sync !== undefined && { sync: { key: sync, scales: ['x', null], filters: { pub: followed } } }),
    },
    hooks: {
      setCursor: [({ cursor: { idx }, data }) => { oncursor(idx == null ? undefined : data[0][idx]) }],
      setSelect: [(plot) => { select(plot, onrange) }],
    },
  }
}

/** A single step still has a width. */
function wide(min: number | null, max: number | null): uPlot.Range.MinMax {
  return min !== null && min === max ? [min - 1, min + 1] : [min, max]
}

/** Other charts follow the cursor, not what is dragged. */
function followed(type: string): boolean {
  return type === 'mousemove' || type === 'mouseleave'
}

function select(plot: uPlot, onrange: PlotOptions['onrange']): void {
  const { left, width } = plot.select
  if (width < 4) return
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
  onrange({ from: plot.posToVal(left, 'x'), to: plot.posToVal(left + width, 'x') })
}

function seriesOf({ role, colour, dots, dashed }: Line, paint: Paint): uPlot.Series {
  const stroke = paint(`--series-${colour}`)
  const spanGaps = true
  if (role === 'high' || role === 'low') return { stroke: 'transparent', width: 0, points: { show: false }, spanGaps }
  if (role === 'raw') return { stroke: faint(stroke, 0.35), width: 1, points: { show: false }, spanGaps }
  return {
    stroke, spanGaps, width: 1.75,
    ...(dashed && { dash: [6, 4] }),
    points: dots ? { show: fewInView, size: 6, fill: stroke, stroke } : { show: (_, __, from, to) => to - from < 2, size: 6, fill: stroke },
  }
}

/** Where dots would touch, the line alone says as much. */
function fewInView({ data, width }: uPlot, series: number, from: number, to: number): boolean {
  let dots = 0
  for (let i = from; i <= to; i++) if (data[series]?.[i] != null) dots += 1
  return dots * 12 < width
}

/** @param colour `rgb(1, 2, 3)`, as styles are computed */
function faint(colour: string, opacity: number): string {
  const channels = /^rgb\(([^)]+)\)$/.exec(colour)?.[1]
  return channels === undefined ? colour : `rgba(${channels}, ${opacity})`
}

export function alignedData({ x, rows }: Plan): uPlot.AlignedData {
  return [x as number[], ...rows as (number | null | undefined)[][]]
}
