//! Which generation counts, and the id by which a request is found in two logs.

use crate::world::{World, piece, request, vouched};
use haumana_lambda::testing::proxy_event;
use serde_json::{Value, json};

const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";

/// A sync of somebody whom the authorizer has let in.
fn sync(cursor: &Value) -> Vec<u8> {
    let body = json!({"deviceId": "laptop", "cursor": cursor});
    let request = request("POST", "/sync", None, &body);
    proxy_event(&request, "/sync", Some(&vouched("kai"))).to_string().into_bytes()
}

/// What a function answered, as JSON.
fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_the_generation_serves_the_one_that_the_tables_know() {
    let world = World::start().await;
    world.post("kai", "/pieces", &json!({"pieces": [piece(ID, "kai", "E Hō Mai", "")]})).await;
    let second = world.function("sync-lambda", &[("HAUMANA_GENERATION", "1")]).await;
    let restored = body(&second.invoke(&sync(&Value::Null)).await.unwrap());

    // The next deployment forgets the setting, which makes it 0.
    let third = world.function("sync-lambda", &[("HAUMANA_GENERATION", "0")]).await;
    let answer = body(&third.invoke(&sync(&restored["cursor"])).await.unwrap());

    assert_eq!(json!(false), answer["reset"], "the cursor is of this life: {answer}");
    let told = third.output_once(|output| output.contains("\"message\":\"generation\"")).await;
    assert!(told.contains("\"asked\":0") && told.contains("\"generation\":1"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tables_everybody_is_told_to_come_again_and_calls_of_nobody_are_answered() {
    let world = World::start().await;
    let nowhere = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")];
    let function = world.function("sync-lambda", &nowhere).await;
    let limits = request("GET", "/limits", None, &Value::Null);
    let limits = proxy_event(&limits, "/limits", None).to_string().into_bytes();

    let (open, told) =
        (function.invoke(&limits).await.unwrap(), function.invoke(&sync(&Value::Null)).await);

    assert_eq!(json!(200), open["statusCode"]);
    assert_eq!(json!(503), told.as_ref().unwrap()["statusCode"]);
    assert_eq!(json!("unavailable"), body(&told.unwrap())["code"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_the_id_of_api_gateway_in_the_reply_and_in_the_log() {
    let world = World::start().await;
    let function = world.function("sync-lambda", &[]).await;
    let mut request = request("GET", "/health", None, &Value::Null);
    request.headers.push(("x-request-id".to_owned(), "of-the-caller".to_owned()));
    let event = proxy_event(&request, "/health", None);
    let id = event["requestContext"]["requestId"].as_str().unwrap().to_owned();

    let answer = function.invoke(event.to_string().as_bytes()).await.unwrap();

    assert_eq!(json!([id]), answer["multiValueHeaders"]["x-request-id"], "{answer}");
    let line = format!("\"request_id\":\"{id}\"");
    function.output_once(|output| output.contains(&line)).await;
}
