/*
 * Bad input: every malformed request of the seed's protocol and SEC-16 ..
 * SEC-24.  Each answers 4xx in JSON, says one line with a CU tag, stores
 * nothing and leaves no file.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BAD_HEADERS, NOT_FOUND, NO_FILE, SIZE_DIFFERS,
         Wire, assertChunkOk,
         assertRefused, chunk, chunkRequest, complete, finish, formType,
         md5, multipart, offsetError, pattern, request, status }
    from './client.mjs';
import { onServer, sleep, until } from './server.mjs';

const B = 'cu-test-boundary-7MA4YWxk';
const part = (more = '') => `--${B}\r\nContent-Disposition: form-data; `
    + `name="file"; filename="a"${more}\r\n\r\nabc\r\n`;
const END = `--${B}--\r\n`;

onServer('bad input', { conf: `
<Location "/limited">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 1000
</Location>` }, (at) => {
    /* send() must be refused: 4xx JSON, one line, nothing new on disk. */
    const refused = async (send, code, text) => {
        const lines = at.s.tagged().length;
        const files = at.s.stateFiles().length + at.s.partFiles().length;
        const answer = await send();
        assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
        assert.equal(answer.headers['content-type'], 'application/json');
        assert.equal(typeof answer.json?.detail, 'string', answer.text);
        if (code !== undefined) {
            assert.equal(answer.status, code, answer.text);
        }
        if (text instanceof RegExp) {
            assert.match(answer.text, text);
        } else if (text !== undefined) {
            assert.equal(answer.text, text);
        }
        await until('the log line', () => at.s.tagged().length > lines, 2000);
        await sleep(5);
        const said = at.s.tagged().slice(lines);
        assert.equal(said.length, 1, said.join('\n'));
        assert.match(said[0], /\[chunked_upload:info\]/);
        assert.equal(at.s.stateFiles().length + at.s.partFiles().length,
                     files, 'nothing is stored');
        return answer;
    };
    const post = (body, headers = {}) => request(at.s, { method: 'POST',
        path: '/up', body: Buffer.from(body, 'latin1'),
        headers: { 'Content-Type': formType(), ...headers } });
    const MALFORMED = /^\{"detail": "Malformed multipart body: [^"]+"\}$/;

    const numbers = ['-1', '+5', ' 5', '5 ', '0x10', '1e3', '05', '5.0', '',
        '9223372036854775808', '18446744073709551616', '9'.repeat(100),
        '\u0663', '5_0', '1,000'];
    for (const n of numbers) {
        test(`SEC-16 the number ${JSON.stringify(n.slice(0, 30))}`,
             async () => {
            const latin = Buffer.from(n).toString('latin1');
            for (const range of [`bytes ${latin}-9/10`, `bytes 0-${latin}/10`,
                                 `bytes 0-9/${latin}x`, `bytes 0-4/${latin}`]) {
                if (range === 'bytes 0-4/5 ') {
                    continue; /* the header's own trailing blank: httpd cuts */
                }
                await refused(() => chunk(at.s, { range, data: pattern(5) }),
                              400, BAD_HEADERS);
            }
        });
    }

    for (const range of ['bytes */10', 'bytes 0-4/*', 'Bytes 0-4/5',
        'octets 0-4/5', 'bytes  0-4/5', 'bytes 0--1/0', 'bytes=0-4/5',
        'bytes 0-4', '0-4/5', 'bytes', 'bytes 0 - 4/5', 'bytes 0-4/5/6',
        'bytes\t0-4/5', 'bytes 4-0/5', 'bytes 0-5/5', 'bytes 0-4/4',
        'x'.repeat(4000)]) {
        test(`SEC-17 Content-Range: ${range.slice(0, 40)}`, async () => {
            await refused(() => chunk(at.s, { range, data: pattern(5) }), 400,
                          BAD_HEADERS);
        });
    }

    test('SEC-17 overlap and another total leave earlier bytes intact',
         async () => {
        const send = (o) => chunk(at.s, { data: Buffer.from('xxxxx'), ...o });
        const id = assertChunkOk(await send({ start: 0, total: 10 }), 5);
        await refused(() => send({ id, range: 'bytes 3-7/10' }), 400,
                      offsetError(5));
        await refused(() => send({ id, range: 'bytes 0-4/10' }), 400,
                      offsetError(5));
        await refused(() => send({ id, range: 'bytes 6-9/10' }), 400,
                      offsetError(5));
        for (const total of [11, 99, 12345678901]) {
            await refused(() => send({ id, start: 5, total }), 400,
                          SIZE_DIFFERS);
        }
        assertChunkOk(await send({ id, start: 5, total: 10 }), 10, id);
        await finish(at.s, id, Buffer.from('xxxxxxxxxx'));
    });

    test('two Content-Range headers', async () => {
        await refused(() => chunk(at.s, { data: pattern(5), headers: {
            'Content-Range': ['bytes 0-4/5', 'bytes 0-4/5'] } }), 400,
            BAD_HEADERS);
    });

    test('SEC-18 more bytes than the range says', async () => {
        await refused(() => chunk(at.s, { range: 'bytes 0-4/5',
            data: pattern(10) }), 400, SIZE_DIFFERS);
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 8,
            data: Buffer.from('abcde') }), 5);
        await refused(() => chunk(at.s, { id, range: 'bytes 5-7/8',
            data: pattern(300000) }), 400, SIZE_DIFFERS);
        assertChunkOk(await chunk(at.s, { id, start: 5, total: 8,
            data: Buffer.from('fgh') }), 8, id);
        await finish(at.s, id, Buffer.from('abcdefgh'));
    });

    test('SEC-19 a body beyond the limit without a length', async () => {
        const r = chunkRequest({ data: pattern(100000) });
        const pieces = [];
        for (let i = 0; i < r.body.length; i += 5000) {
            const piece = r.body.subarray(i, i + 5000);
            pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece,
                        Buffer.from('\r\n'));
        }
        pieces.push(Buffer.from('0\r\n\r\n'));
        await refused(() => request(at.s, { method: 'POST', path: '/limited',
            body: Buffer.concat(pieces),
            headers: { ...r.headers, 'Transfer-Encoding': 'chunked' } }), 400,
            '{"detail": "Size of file exceeds the limit (1000 bytes)"}');
    });

    test('SEC-20 contradictory framing never reaches the module', async () => {
        const r = chunkRequest({ data: 'abc' });
        for (const headers of [
            { 'Content-Length': ['5', '6'] },
            { 'Content-Length': 'abc' }, { 'Content-Length': '-1' },
            { 'Transfer-Encoding': 'gzip' }]) {
            const answer = await request(at.s, { ...r,
                headers: { ...r.headers, ...headers } });
            assert.ok([400, 411, 501].includes(answer.status),
                      `${answer.status}`);
        }
        assert.deepEqual(at.s.tagged(), []);
    });

    test('SEC-21 an empty file completes once, whatever the repeats',
         async () => {
        const id = assertChunkOk(await chunk(at.s, { data: '' }), 0);
        await finish(at.s, id, Buffer.alloc(0));
        await finish(at.s, id, Buffer.alloc(0));
        await refused(() => chunk(at.s, { id, data: '' }), 400);
    });

    test('SEC-22 a hole is never complete', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 10,
            data: pattern(5) }), 5);
        await refused(() => complete(at.s, { id, md5: md5(pattern(5)) }), 400,
            '{"detail": "Upload is not complete", "offset": 5}');
    });

    const ids = ['x', 'ABCDEF0123456789ABCDEF0123456789', 'a'.repeat(31),
        'a'.repeat(33), 'A'.repeat(4096), '../../../../etc/passwd',
        '0123456789abcdef0123456789abcde/', '0123456789abcdef0123456789abcdeg',
        '00000000-0000-0000-0000-000000000000', ' ' + 'a'.repeat(32),
        'a'.repeat(31) + '\0', '%30'.repeat(32), '\u0661'.repeat(32)];
    for (const id of ids) {
        test(`SEC-2 the id ${JSON.stringify(id.slice(0, 40))}`, async () => {
            await refused(() => chunk(at.s, { id, data: 'abc' }), 404,
                          NOT_FOUND);
            await refused(() => chunk(at.s, { id, idAfter: true,
                                              data: 'abc' }), 404, NOT_FOUND);
            await refused(() => complete(at.s, { id, md5: md5('abc') }), 404,
                          NOT_FOUND);
            await refused(() => complete(at.s, { id, md5: md5('abc'),
                multipart: true }), 404, NOT_FOUND);
        });
    }

    test('an id in the URL that is none', async () => {
        for (const name of ['x', 'A'.repeat(32), 'a'.repeat(31), 'a'.repeat(33),
                            'complete2', '%00', 'a%2fb']) {
            const answer = await request(at.s, { path: `/up/${name}` });
            assert.ok(answer.status >= 400 && answer.status < 500);
        }
        assertRefused(await status(at.s, 'a'.repeat(32)), 404, NOT_FOUND);
    });

    const types = {
        'no boundary': 'multipart/form-data',
        'an empty boundary': 'multipart/form-data; boundary=',
        'an empty quoted boundary': 'multipart/form-data; boundary=""',
        'two boundaries': 'multipart/form-data; boundary=a; boundary=b',
        'an open quote': 'multipart/form-data; boundary="abc',
        'an overlong boundary': `multipart/form-data; boundary=${
            'x'.repeat(5000)}`
    };
    for (const [what, type] of Object.entries(types)) {
        test(`SEC-23 ${what}`, async () => {
            await refused(() => post(part() + END, { 'Content-Type': type }),
                          400, MALFORMED);
        });
    }

    const bodies = {
        'another boundary': (part() + END).replaceAll(B, 'other'),
        'no final boundary': part(),
        'a body ending in a header': part().slice(0, 40),
        'a body ending in the data': part().slice(0, -3),
        'a body ending in a boundary': part() + `--${B.slice(0, 8)}`,
        'a final boundary with one dash': part() + `--${B}-`,
        'a header without colon': `--${B}\r\nnonsense\r\n\r\nabc\r\n${END}`,
        'a header that starts with a blank': `--${B}\r\n x: y\r\n\r\nabc\r\n${
            END}`,
        'a folded header': part(';\r\n x=y') + END,
        'bare LF line ends': (part() + END).replaceAll('\r\n', '\n'),
        'junk behind a boundary': `--${B}junk\r\n` + part().slice(B.length + 4)
            + END,
        'a part header of 1 MiB': part(`; x="${'y'.repeat(1 << 20)}"`) + END,
        '10000 parts': part() + `--${B}\r\nContent-Disposition: form-data; `
            .concat('name="x"\r\n\r\n\r\n').repeat(10000) + END,
        'a preamble flood': 'x'.repeat(1 << 20) + '\r\n' + part() + END,
        'an epilogue flood': part() + END + 'x'.repeat(1 << 20),
        'NUL in a part header': part('\0') + END,
        'an overlong name': `--${B}\r\nContent-Disposition: form-data; name="${
            'n'.repeat(5000)}"; filename="a"\r\n\r\nabc\r\n${END}`
    };
    for (const [what, body] of Object.entries(bodies)) {
        test(`SEC-23 ${what}`, async () => {
            await refused(() => post(body), 400, MALFORMED);
        });
    }

    test('SEC-23 an empty body has no file', async () => {
        await refused(() => post(''), 400, NO_FILE);
    });

    test('SEC-23 nested multipart is just bytes', async () => {
        const inner = multipart([{ name: 'upload_id', value: 'x' }],
                                { boundary: 'inner' });
        const id = assertChunkOk(await chunk(at.s, { data: inner }),
                                 inner.length);
        await finish(at.s, id, inner);
    });

    test('SEC-23 malformed multipart on completion', async () => {
        await refused(() => request(at.s, { method: 'POST', path: '/done',
            body: Buffer.from(`--${B}\r\nnonsense\r\n\r\n`),
            headers: { 'Content-Type': formType() } }), 400, MALFORMED);
    });

    test('SEC-23 a malformed later chunk moves no offset', async () => {
        const id = assertChunkOk(await chunk(at.s, { start: 0, total: 6,
            data: Buffer.from('abc') }), 3);
        await refused(() => post(`--${B}\r\nContent-Disposition: form-data; `
            + `name="upload_id"\r\n\r\n${id}\r\n`
            + part().replace('abc', 'def'),
            { 'Content-Range': 'bytes 3-5/6' }), 400, MALFORMED);
        assert.equal((await status(at.s, id)).json.offset, 3);
        assertChunkOk(await chunk(at.s, { id, start: 3, total: 6,
            data: Buffer.from('def') }), 6, id);
        await finish(at.s, id, Buffer.from('abcdef'));
    });

    test('completion bodies', async () => {
        const id = assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        const form = (body) => request(at.s, { method: 'POST', path: '/done',
            body: Buffer.from(body), headers: {
                'Content-Type': 'application/x-www-form-urlencoded' } });
        for (const body of ['', '&&&', '=', 'upload_id', `upload_id=${id}`,
            `upload_id=${id}&md5`, '%', `upload_id%00=${id}&md5=x`,
            'a=b&'.repeat(1000)]) {
            await refused(() => form(body), 400);
        }
        await refused(() => form(`upload_id=${id}&md5=${'f'.repeat(5000)}`),
                      400);
        await refused(() => form('x='.padEnd(2 << 20, 'y')));
        await finish(at.s, id, Buffer.from('abc'));
    });

    test('a log line cannot be forged by a client', async () => {
        await refused(() => chunk(at.s, { id: 'x\r\n[core:error] forged',
                                          data: 'abc' }), 404);
        await refused(() => chunk(at.s, { filename: 'x%0d%0aCU9999: forged',
            range: 'bad "\\\u00ff\u009b31m', data: 'abc' }), 400);
        assert.doesNotMatch(at.s.logSince(),
                            /^\[core:error\]|^CU|[\x7f-\uffff]/m);
    });

    test('a request line of nonsense leaves the next connection alone',
         async () => {
        const wire = await Wire.open(at.s);
        await wire.write(Buffer.from('\0\0\0\r\n\r\n'));
        await wire.closed();
        assertChunkOk(await chunk(at.s, { data: 'abc' }), 3);
        const long = await request(at.s, { method: 'POST', path: '/up',
            headers: { 'Content-Range': 'x'.repeat(9000) } });
        assert.equal(long.status, 400);
        assert.deepEqual(at.s.tagged(), []);
        wire.close();
    });

    test('memory stays bounded after all that', () => {
        for (const { pid, rss } of at.s.rssOfChildren()) {
            assert.ok(rss < 64 << 10, `child ${pid}: ${rss} KiB`);
        }
    });
});
