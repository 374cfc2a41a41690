//! The wire protocols and how a request path names one.

/// A wire protocol of a model service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Anthropic Messages, `POST /v1/messages`.
    AnthropicMessages,
    /// `OpenAI` Responses, `POST /v1/responses`.
    OpenAiResponses,
    /// `OpenAI` Chat Completions, `POST /v1/chat/completions`, spoken by many services.
    ChatCompletions,
    /// Gemini, `POST /v1beta/models/{model}:streamGenerateContent` and `:generateContent`.
    Gemini,
}

/// What a request wants, as far as method and path tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An answer of the model.
    Answer(AnswerTarget),
    /// The number of tokens of a prompt.
    CountTokens(Api),
    /// The list of models.
    Models,
    /// Nothing that is served.
    Unknown,
}

/// The parts of an answer request that are not in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnswerTarget {
    pub(super) api: Api,
    /// Gemini's model and form of answer, which only the path names.
    pub(super) gemini: Option<GeminiPath>,
}

/// The last segment of a Gemini path, `{model}:{verb}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GeminiPath {
    pub(super) model: String,
    pub(super) streamed: bool,
}

impl Target {
    /// Reads method and path (without query).
    ///
    /// Only the end of the path counts: agents differ in whether their base address
    /// contains the version.
    pub(super) fn of(method: &str, path: &str) -> Self {
        match method {
            "GET" if path.ends_with("/models") => Self::Models,
            "POST" => Self::of_post(path),
            _ => Self::Unknown,
        }
    }

    fn of_post(path: &str) -> Self {
        let answer = |api| Self::Answer(AnswerTarget { api, gemini: None });
        if path.ends_with("/messages/count_tokens") {
            Self::CountTokens(Api::AnthropicMessages)
        } else if path.ends_with("/messages") {
            answer(Api::AnthropicMessages)
        } else if path.ends_with("/responses") {
            answer(Api::OpenAiResponses)
        } else if path.ends_with("/chat/completions") {
            answer(Api::ChatCompletions)
        } else {
            Self::of_gemini_post(path)
        }
    }

    fn of_gemini_post(path: &str) -> Self {
        let last = path.rsplit_once("/models/").map(|(_, last)| last);
        let Some((model, verb)) = last.and_then(|last| last.split_once(':')) else {
            return Self::Unknown;
        };
        let answer = |streamed| {
            Self::Answer(AnswerTarget {
                api: Api::Gemini,
                gemini: Some(GeminiPath {
                    model: model.to_owned(),
                    streamed,
                }),
            })
        };
        match verb {
            "streamGenerateContent" => answer(true),
            "generateContent" => answer(false),
            "countTokens" => Self::CountTokens(Api::Gemini),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_api(path: &str, expected: Option<Api>) {
        let api = match Target::of("POST", path) {
            Target::Answer(target) => Some(target.api),
            _ => None,
        };
        assert_eq!(api, expected, "{path}");
    }

    #[test]
    fn paths_name_their_protocol() {
        check_api("/v1/messages", Some(Api::AnthropicMessages));
        check_api("/v1/responses", Some(Api::OpenAiResponses));
        check_api("/v1/chat/completions", Some(Api::ChatCompletions));
        check_api("/chat/completions", Some(Api::ChatCompletions));
        check_api("/v1beta/models/g:generateContent", Some(Api::Gemini));
        check_api("/v1beta/models/g:embedContent", None);
        check_api("/v1/embeddings", None);
    }

    #[test]
    fn gemini_path_tells_model_and_form() {
        let target = Target::of(
            "POST",
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
        );
        let gemini = GeminiPath {
            model: "gemini-2.5-pro".to_owned(),
            streamed: true,
        };
        assert_eq!(
            target,
            Target::Answer(AnswerTarget {
                api: Api::Gemini,
                gemini: Some(gemini)
            })
        );
    }

    #[test]
    fn other_methods_are_only_served_the_list_of_models() {
        assert_eq!(Target::of("GET", "/v1/models"), Target::Models);
        assert_eq!(Target::of("GET", "/v1/responses"), Target::Unknown);
        assert_eq!(Target::of("HEAD", "/api/hello"), Target::Unknown);
    }
}
