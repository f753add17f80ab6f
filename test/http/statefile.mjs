/*
 * Read and damage a state file as src/store/record.h describes it: a second,
 * independent reading of the format, so that a change of it is noticed.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';

const BLOCK = 4096;
const MASK = (1n << 64n) - 1n;
const KEY = Buffer.from('mod_chunked_upl\0', 'latin1');

const rotate = (x, n) => ((x << n) | (x >> (64n - n))) & MASK;

/* SipHash-2-4 of a buffer. */
function siphash(data)
{
    const k0 = KEY.readBigUInt64LE(0);
    const k1 = KEY.readBigUInt64LE(8);
    let v0 = k0 ^ 0x736f6d6570736575n;
    let v1 = k1 ^ 0x646f72616e646f6dn;
    let v2 = k0 ^ 0x6c7967656e657261n;
    let v3 = k1 ^ 0x7465646279746573n;
    const round = () => {
        v0 = (v0 + v1) & MASK; v1 = rotate(v1, 13n) ^ v0; v0 = rotate(v0, 32n);
        v2 = (v2 + v3) & MASK; v3 = rotate(v3, 16n) ^ v2;
        v0 = (v0 + v3) & MASK; v3 = rotate(v3, 21n) ^ v0;
        v2 = (v2 + v1) & MASK; v1 = rotate(v1, 17n) ^ v2; v2 = rotate(v2, 32n);
    };
    const whole = data.length - data.length % 8;
    const last = Buffer.alloc(8);
    data.copy(last, 0, whole);
    last[7] = data.length & 0xff;
    const words = [];
    for (let i = 0; i < whole; i += 8) {
        words.push(data.readBigUInt64LE(i));
    }
    for (const m of [...words, last.readBigUInt64LE(0)]) {
        v3 ^= m;
        round();
        round();
        v0 ^= m;
    }
    v2 ^= 0xffn;
    for (let i = 0; i < 4; i++) {
        round();
    }
    return v0 ^ v1 ^ v2 ^ v3;
}

function checksum(bytes)
{
    const before = siphash(bytes.subarray(0, 16));
    const after = siphash(bytes.subarray(24));
    return before ^ rotate(after, 1n) ^ BigInt(bytes.length);
}

function slots(bytes)
{
    const used = bytes.readUInt32BE(12);
    const first = Math.ceil(used / BLOCK) * BLOCK;
    return [first, first + BLOCK].map((at) => {
        const length = bytes.readUInt32BE(at + 8);
        if (bytes.toString('latin1', at, at + 8) !== 'CUSLOT01'
            || length < 106 || length > BLOCK) {
            return null;
        }
        const body = bytes.subarray(at, at + length);
        if (body.readBigUInt64BE(16) !== checksum(body)) {
            return null;
        }
        return { at, length, sequence: body.readBigUInt64BE(24),
                 offset: Number(body.readBigInt64BE(40)),
                 bootLength: body.readUInt16BE(100),
                 digestLength: body.readUInt16BE(102) };
    });
}

/** The slot that counts: { at, length, sequence, offset, ... }. */
export function newestSlot(file)
{
    const valid = slots(fs.readFileSync(file)).filter(Boolean)
        .sort((a, b) => (a.sequence < b.sequence ? 1 : -1));
    assert.ok(valid.length > 0, `no valid slot in ${file}`);
    return valid[0];
}

/**
 * Change the newest slot and give it a right checksum again.
 * @param change called with the slot's bytes and what newestSlot() says
 */
export function rewriteSlot(file, change)
{
    const slot = newestSlot(file);
    const bytes = fs.readFileSync(file);
    const body = bytes.subarray(slot.at, slot.at + slot.length);
    change(body, slot);
    const used = body.subarray(0, body.readUInt32BE(8));
    body.fill(0, used.length);
    used.writeBigUInt64BE(checksum(used), 16);
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, body, 0, body.length, slot.at);
    fs.closeSync(fd);
}

/** Take the digest state out of the newest slot of an open upload. */
export function dropDigest(file)
{
    rewriteSlot(file, (bytes, slot) => {
        const end = 106 + slot.bootLength + slot.digestLength;
        assert.ok(slot.digestLength > 0, 'there was a digest state');
        bytes.copy(bytes, 106 + slot.bootLength, end);
        bytes.writeUInt16BE(0, 102);
        bytes.writeUInt32BE(slot.length - slot.digestLength, 8);
    });
}

/** Overwrite both slots with junk: nothing of the state can be believed. */
export function ruinSlots(file)
{
    const bytes = fs.readFileSync(file);
    const first = Math.ceil(bytes.readUInt32BE(12) / BLOCK) * BLOCK;
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, Buffer.alloc(2 * BLOCK, 0xa5), 0, 2 * BLOCK, first);
    fs.closeSync(fd);
}
