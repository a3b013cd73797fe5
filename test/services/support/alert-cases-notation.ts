/** Series in promtool's notation: one value per step, `a+bxn` is a, a+b, ... n times more, from second 0 on. */

/** Values by series, as in `name{label="value"}`; `xEND`: for as long as the case is looked at. */
export type Series = Readonly<Record<string, string>>;

export const NAN: string = 'NaN+0xEND';
export const constant = (value: number | string): string => `${value}+0xEND`;
/** 0 at first, `value` from the second step on. */
export const jump = (value: number): string => `0 ${value}+0xEND`;
/** 0 at first, `value` from step `at` on. */
export const late = (at: number, value: number): string => `0+0x${at - 1} ${constant(value)}`;
/** `value` more from the second step on, and again from step `at` on. */
export const twice = (at: number, value: number): string => `0 ${value}+0x${at - 2} ${constant(2 * value)}`;
/** From 0, so much more at each step. */
export const ramp = (perStep: number): string => `0+${perStep}xEND`;
