/*
 * What a client of each dialect says and understands, without a connection:
 * an upload `up` (id, size, ...) and a place in it -> a request; an answer ->
 * what it means.  The kill test drives whatever stands in the table.
 *
 *   partial         bytes of a broken chunk may count
 *   chunk()         the request that sends data at `start`; creates the upload
 *                   when up.id is undefined
 *   taken()         its answer -> { id, offset, refused }; refused: another
 *                   request for the same upload was newer
 *   where(), at()   the status query -> { offset, done }
 *   finish(), finished()
 *                   completion -> nothing; a wrong answer throws
 */
import assert from 'node:assert/strict';

import { chunkRequest, formType, multipart } from '../http/client.mjs';

const form = {
    name: 'form',
    partial: false,

    chunk(up, start, data)
    {
        return chunkRequest({ id: up.id, start, total: up.size, data,
                              filename: up.name });
    },

    taken(answer)
    {
        if (answer.status === 400 && answer.json?.offset !== undefined) {
            return { offset: answer.json.offset, refused: true };
        }
        assert.equal(answer.status, 200, answer.text);
        return { id: answer.json.upload_id, offset: answer.json.offset };
    },

    where(up)
    {
        return { method: 'GET', path: `/up/${up.id}`, headers: {} };
    },

    at(answer)
    {
        assert.equal(answer.status, 200, answer.text);
        return { offset: answer.json.offset,
                 done: answer.json.status === 'complete' };
    },

    finish(up)
    {
        return { method: 'POST', path: '/done',
                 headers: { 'Content-Type': formType() },
                 body: multipart([{ name: 'upload_id', value: up.id },
                                  { name: 'md5', value: up.md5 }]) };
    },

    finished(answer)
    {
        assert.equal(`${answer.status} ${answer.text}`, '200 {}');
    }
};

const TUS = { 'Tus-Resumable': '1.0.0' };

const tus = {
    name: 'tus',
    partial: true,

    chunk(up, start, data)
    {
        const headers = { ...TUS,
                          'Content-Type': 'application/offset+octet-stream' };
        if (up.id === undefined) {
            return { method: 'POST', path: '/up', body: data,
                     headers: { ...headers, 'Upload-Length': up.size } };
        }
        return { method: 'PATCH', path: `/up/${up.id}`, body: data,
                 headers: { ...headers, 'Upload-Offset': start } };
    },

    taken(answer, up)
    {
        assert.ok(answer.status === 201 || answer.status === 204,
                  `${answer.status} ${answer.text}`);
        return { id: answer.headers.location?.slice(-32) ?? up.id,
                 offset: Number(answer.headers['upload-offset']) };
    },

    where(up)
    {
        return { method: 'HEAD', path: `/up/${up.id}`, headers: TUS };
    },

    at(answer)
    {
        assert.equal(answer.status, 200);
        const offset = Number(answer.headers['upload-offset']);
        return { offset,
                 done: offset === Number(answer.headers['upload-length']) };
    },

    /* the last byte has completed it; a HEAD makes sure */
    finish(up)
    {
        return tus.where(up);
    },

    finished(answer)
    {
        assert.equal(answer.status, 200);
    }
};

export const DIALECTS = [form, tus];
