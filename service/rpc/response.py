"""The answer to an inference request as a `ModelInferResponse`."""

from __future__ import annotations

from open_inference.grpc.protocol import ModelInferResponse

from service.exchange import Written
from service.formats.scored import Scored
from service.rpc.request import CONTENTS
from service.v2.datatypes import BYTES, to_bytes
from service.v2.outputs import WantedOutputs, make_outputs

MEDIA_TYPE = b"application/grpc"


def write_response(wanted: WantedOutputs, request_id: str | None, scored: Scored) -> Written:
    """The answer to a request, with its id; its outputs as bytes where the inputs came so."""
    version = str(scored.predictor.version)
    response = ModelInferResponse(model_name=scored.predictor.name, model_version=version, id=request_id or "")
    for one, array in zip(wanted.outputs, make_outputs(scored, wanted), strict=True):
        datatype = one.datatype
        tensor = response.outputs.add(name=one.name, datatype=datatype, shape=array.shape)
        if one.is_binary:
            response.raw_output_contents.append(to_bytes(array))
        else:
            elements = array.ravel().tolist()
            elements = [text.encode() for text in elements] if datatype == BYTES else elements
            getattr(tensor.contents, CONTENTS[datatype]).extend(elements)
    return Written(response.SerializeToString(), MEDIA_TYPE)
