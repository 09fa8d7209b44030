// What the demo prints: chapters, checked lines with their time, tables. Colour only on a terminal.

const colourful = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code) => (text) => (colourful ? `\x1b[${code}m${text}\x1b[0m` : text)
const bold = paint(1)
const dim = paint(2)
const red = paint(31)
const green = paint(32)

const WIDTH = 100

let chapters = 0
const results = { passed: 0, failed: 0 }

export const counts = () => `${results.passed} passed, ${results.failed} failed`

export function title(text) {
  console.log(`\n${bold(text)}`)
}

export function chapter(text) {
  chapters += 1
  console.log(`\n${bold(` ${chapters}  ${text}`)}`)
}

export function note(text) {
  console.log(`    ${dim(text)}`)
}

/** Runs one step. What it returns is printed: `{ text, detail }`, both optional; what it throws ends the demo. */
export async function step(text, run) {
  const started = performance.now()
  try {
    const told = (await run()) ?? {}
    results.passed += 1
    const line = told.text ?? text
    const time = duration(performance.now() - started)
    console.log(`    ${green('✓')} ${line}${' '.repeat(Math.max(2, WIDTH - 7 - line.length - time.length))}${dim(time)}`)
    if (told.detail) note(`  ${told.detail}`)
  } catch (error) {
    results.failed += 1
    console.log(`    ${red('✗')} ${text}`)
    throw error
  }
}

/** A step that something else checked. */
export function passed(text) {
  results.passed += 1
  console.log(`    ${green('✓')} ${text}`)
}

/** @param {string[][]} rows the first is the heading; columns from `rightFrom` on are numbers, set to the right */
export function table(rows, rightFrom) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const align = (cell, column) => (column < rightFrom ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))
  const [heading, ...body] = rows.map((row) => row.map(align).join('   ').trimEnd())
  console.log(`\n    ${bold(heading)}`)
  for (const line of body) console.log(`    ${line}`)
}

export function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`
}

export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

/** Megabytes a second, or a dash where the blob is too small to tell. */
export function speed(bytes, milliseconds) {
  return bytes < 1024 * 1024 ? '–' : `${Math.round(bytes / 1000 / milliseconds)} MB/s`
}
