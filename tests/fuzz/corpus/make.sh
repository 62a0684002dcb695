#!/usr/bin/env bash
# Makes the files of this folder that need an encoder, with ffmpeg: `tests/fuzz/corpus/make.sh`. The files are kept in the
# repository, because other releases of the encoders write other bytes, and a seed number stands for the same cases only while
# the seeds stay as they are.
set -euo pipefail
cd "$(dirname "$0")"
ff() { ffmpeg -hide_banner -loglevel error -nostdin -y -bitexact "$@"; }
tone() { echo -f lavfi -i "sine=frequency=300:sample_rate=$1:duration=$2"; }
film=(-f lavfi -i "testsrc=size=32x32:rate=10:duration=0.5" -f lavfi -i "sine=frequency=300:sample_rate=16000:duration=0.5")
h264=(-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 3 -x264-params threads=1)
mkdir -p wav aiff caf flac ogg frames mkv m4a mp4 jpeg png bmp webp

ff $(tone 8000 0.02) -c:a pcm_s16le wav/plain.wav
ff $(tone 8000 0.02) -ac 2 -c:a pcm_f32le wav/stereo-float.wav
ff $(tone 8000 0.02) -c:a pcm_s24le -rf64 always wav/rf64.wav
ff $(tone 8000 0.02) -c:a pcm_alaw wav/alaw.wav
ff $(tone 8000 0.1) -c:a adpcm_ima_wav -block_size 64 wav/ima.wav
ff $(tone 8000 0.1) -c:a adpcm_ms -block_size 64 wav/ms.wav
ff $(tone 8000 0.02) -c:a pcm_s16be aiff/plain.aiff
ff $(tone 8000 0.02) -c:a pcm_mulaw aiff/compressed.aifc
ff $(tone 8000 0.02) -c:a pcm_s16le caf/plain.caf
ff $(tone 8000 0.1) -c:a alac caf/alac.caf
ff $(tone 8000 0.05) -c:a flac -frame_size 128 flac/plain.flac
ff $(tone 16000 0.05) -ac 2 -c:a flac -frame_size 256 -compression_level 8 flac/stereo.flac
# Each frame is a few bytes and makes 65535 samples.
ff -f lavfi -i anullsrc=r=8000:cl=mono:d=20 -c:a flac -frame_size 65535 flac/silence.flac
# Without the 8 kB of padding; the comment before it is then the last block.
perl -0777 -pi -e 's/\x81\0\x20\0\0{8192}//; s/^(fLaC.{38})\x04/$1\x84/s' flac/*.flac
ff $(tone 8000 0.2) -c:a libvorbis -q:a 0 ogg/vorbis.ogg
ff $(tone 16000 0.2) -c:a libopus -b:a 8k ogg/opus.ogg
ff $(tone 8000 0.2) -c:a libmp3lame -b:a 8k -id3v2_version 3 frames/id3.mp3
ff $(tone 16000 0.2) -ac 2 -c:a libmp3lame -b:a 16k -write_xing 0 -id3v2_version 0 frames/plain.mp3
ff $(tone 8000 0.3) -c:a aac -b:a 8k -f adts frames/adts.aac
ff $(tone 16000 0.2) -c:a libopus -b:a 8k mkv/opus.webm
ff $(tone 8000 0.2) -c:a flac mkv/flac.mka
ff $(tone 8000 0.2) -c:a pcm_s16le -write_crc32 0 mkv/pcm.mka
ff $(tone 8000 0.3) -c:a aac -b:a 8k m4a/aac.m4a
ff $(tone 8000 0.1) -c:a alac m4a/alac.m4a
ff $(tone 16000 0.2) -c:a libopus -b:a 8k -strict -2 -f mp4 m4a/opus.mp4
ff "${film[@]}" "${h264[@]}" -c:a aac -b:a 8k mp4/plain.mp4
ff "${film[@]}" "${h264[@]}" -c:a aac -b:a 8k -movflags frag_keyframe+empty_moov+default_base_moof mp4/fragmented.mp4
ff -i mp4/plain.mp4 -c copy -an -metadata:s:v:0 rotate=90 mp4/turned.mp4
ff -f lavfi -i testsrc=size=24x24 -frames:v 1 -pix_fmt yuvj420p jpeg/plain.jpg
ff -f lavfi -i testsrc=size=24x24 -frames:v 1 -pix_fmt yuvj444p -huffman optimal jpeg/444.jpg
ff -f lavfi -i testsrc=size=24x24 -frames:v 1 -pix_fmt rgb24 png/rgb.png
ff -f lavfi -i testsrc=size=16x16 -frames:v 1 -pix_fmt pal8 png/palette.png
ff -f lavfi -i testsrc=size=16x16 -frames:v 1 -pix_fmt gray16be png/gray16.png
ff -f lavfi -i testsrc=size=16x16 -frames:v 1 -pix_fmt bgr24 bmp/rgb.bmp
ff -f lavfi -i testsrc=size=16x16 -frames:v 1 -pix_fmt pal8 bmp/palette.bmp
ff -f lavfi -i testsrc=size=24x24 -frames:v 1 -c:v libwebp -lossless 1 webp/lossless.webp
ff -f lavfi -i testsrc=size=24x24 -frames:v 1 -c:v libwebp -quality 30 webp/lossy.webp
